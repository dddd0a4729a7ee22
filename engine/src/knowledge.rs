//! What the index holds of a shop: its policies and FAQ by heading, and its products.
//!
//! Knowledge is Markdown under `knowledge/<language>/<name>.md`, or a page of the shop as HTML, `<name>.html`. Each heading
//! begins a passage, which is quoted to customers with its source, `returns.en.md#refunds`. What stands below no heading goes
//! by the title of its document, or else by the name of its file. A product's text is what it is, never what it costs or whether
//! it can be had: those are looked up at answer time (G4).

mod html;
mod markdown;

use std::collections::{BTreeMap, BTreeSet};

use doorstep_core::{
    ConfigFiles, Language, Problem, Timestamp,
    product::{COLOUR, COLOUR_NAMES, Product, SIZE, SIZE_NAMES, StockLevel, Variant, add_value},
    search::{self, DocumentKind, SearchDocument},
};

use markdown::{Document, Section};

/// What knowledge is written in, by the end of a file's name.
const KINDS: [&str; 2] = ["md", "html"];

/// The passages of all files of `knowledge/<language>/`, without vectors.
///
/// # Errors
/// A folder that is not named by a language, a file without a passage, or one of the same name as another.
pub fn passages(
    files: &ConfigFiles,
    as_of: Timestamp,
) -> Result<Vec<SearchDocument>, Vec<Problem>> {
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    let mut names = BTreeSet::new();
    for kind in KINDS {
        for (path, text) in files.under("knowledge", kind) {
            // Passages are known by the name of their file without its end.
            if !names.insert(without_kind(path).0) {
                problems.push(problem(
                    path,
                    "another file of the same language has this name too".into(),
                    "give one of them another name, or remove it",
                ));
                continue;
            }
            match passages_of(path, text, as_of) {
                Ok(mut found) => documents.append(&mut found),
                Err(problem) => problems.push(problem),
            }
        }
    }
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(problems)
    }
}

fn problem(path: &str, message: String, fix: &str) -> Problem {
    Problem {
        file: path.to_owned(),
        line: 0,
        field: "file name".into(),
        message,
        fix: fix.to_owned(),
    }
}

/// A path and the end of its name: `returns` and `md`.
fn without_kind(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or((path, ""))
}

fn passages_of(path: &str, text: &str, as_of: Timestamp) -> Result<Vec<SearchDocument>, Problem> {
    let mut parts = path.trim_start_matches("knowledge/").splitn(2, '/');
    let (Some(folder), Some(name)) = (parts.next(), parts.next()) else {
        return Err(problem(
            path,
            "the file lies in no folder of a language".into(),
            "move it to knowledge/en/ or the like",
        ));
    };
    let language: Language =
        folder
            .parse()
            .map_err(|error: doorstep_core::language::InvalidLanguage| {
                problem(path, error.to_string(), "name the folder by its language")
            })?;
    let (name, kind) = without_kind(name);
    let markdown = match kind {
        "html" => html::to_markdown(text).unwrap_or_default(),
        _ => text.to_owned(),
    };
    let Document { title, sections } = Document::read(&markdown);
    let fallback = title.clone().unwrap_or_else(|| words_of(name));
    let documents: Vec<SearchDocument> = sections
        .into_iter()
        .flat_map(Section::parted)
        .enumerate()
        .map(|(place, section)| {
            let heading = match section.title.is_empty() {
                true => fallback.clone(),
                false => section.title,
            };
            let about = title.clone().filter(|about| *about != heading);
            let about = about.map(|about| (search::DOCUMENT.to_owned(), vec![about]));
            SearchDocument {
                id: format!("passage:{name}.{language}#{place}"),
                kind: DocumentKind::Passage,
                language: language.clone(),
                source: format!("{name}.{language}.{kind}#{}", anchor(&heading)),
                attributes: about.into_iter().collect(),
                title: heading,
                body: section.body,
                brand: None,
                price: None,
                in_stock: true,
                as_of,
                vector: None,
            }
        })
        .collect();
    if documents.is_empty() {
        return Err(problem(
            path,
            "the file holds no text".into(),
            "write a heading and a paragraph, or remove the file",
        ));
    }
    Ok(documents)
}

/// The name of a file as a title: `terms/size_guide` is `Size guide`.
fn words_of(name: &str) -> String {
    let name = name.rsplit('/').next().unwrap_or(name);
    let words = name.replace(['-', '_'], " ");
    let mut letters = words.trim().chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

/// A heading as it stands in links: `Refund times` is `refund-times`.
fn anchor(title: &str) -> String {
    let mut anchor = String::new();
    for c in title.to_lowercase().chars() {
        if c.is_alphanumeric() {
            anchor.push(c);
        } else if !anchor.ends_with('-') && !anchor.is_empty() {
            anchor.push('-');
        }
    }
    anchor.trim_end_matches('-').to_owned()
}

/// A product for the index. `stock` narrows searches by price and availability; it is never told.
pub fn product_document(
    product: &Product,
    stock: &[StockLevel],
    language: &Language,
    as_of: Timestamp,
) -> SearchDocument {
    let own = |level: &&StockLevel| {
        product
            .variants
            .iter()
            .any(|variant| variant.sku == level.sku)
    };
    let available = stock.iter().filter(own).any(|level| level.quantity > 0);
    SearchDocument {
        id: document_id(&product.id),
        kind: DocumentKind::Product,
        language: language.clone(),
        title: product.title.clone(),
        body: product.description.clone(),
        brand: product.brand.clone(),
        price: stock
            .iter()
            .filter(own)
            .map(|level| level.price.minor)
            .min(),
        in_stock: available,
        attributes: attributes(product),
        source: format!("catalog:{}", product.id),
        as_of,
        vector: None,
    }
}

const PRODUCT: &str = "product:";

/// The document of a product of the shop.
pub fn document_id(product: &str) -> String {
    format!("{PRODUCT}{product}")
}

/// The shop's identifier of an indexed product.
pub fn product_id(document: &str) -> Option<&str> {
    document.strip_prefix(PRODUCT)
}

/// A product's attributes as it can be found by them: those of the catalog, the colours and sizes that any variant comes in
/// (under the catalog's own name for them, where it has one), and the category.
fn attributes(product: &Product) -> BTreeMap<String, Vec<String>> {
    let mut attributes = product.attributes.clone();
    let colour: fn(&Variant) -> Option<&str> = |variant| variant.colour.as_deref();
    let size: fn(&Variant) -> Option<&str> = |variant| variant.size.as_deref();
    for (otherwise, names, of_variant) in [
        (COLOUR, &COLOUR_NAMES[..], colour),
        (SIZE, &SIZE_NAMES[..], size),
    ] {
        let mut own = product.attributes.keys();
        let own = own.find(|name| names.contains(&name.to_lowercase().as_str()));
        let name = own.map_or(otherwise, String::as_str);
        for value in product.variants.iter().filter_map(of_variant) {
            add_value(&mut attributes, name, value);
        }
    }
    if let Some(category) = &product.category {
        let own = attributes.entry(search::CATEGORY.to_owned()).or_default();
        own.push(category_words(category));
    }
    attributes
}

/// A category as it stands among a document's attributes: `sleeping-bags` is read as words.
pub(crate) fn category_words(category: &str) -> String {
    category.replace('-', " ")
}

#[cfg(test)]
mod tests {
    use iso_currency::Currency;

    use super::*;

    #[test]
    fn the_model_reads_what_a_passage_is_about() {
        let files = ConfigFiles::new([(
            "knowledge/en/returns.md",
            "# Returns\n\nWithin 30 days.\n\n## Who pays for it?\n\nWe do.\n",
        )]);
        let cards: Vec<String> = passages(&files, Timestamp::default())
            .unwrap()
            .iter()
            .map(SearchDocument::card)
            .collect();
        assert_eq!(
            cards,
            ["Returns. Within 30 days.", "Returns. Who pays for it?"]
        );
    }

    #[test]
    fn a_page_of_the_shop_is_read_like_a_markdown_file() {
        let page = "<body><nav>Home</nav><h1>Returns</h1><p>Within 30 days.</p><h2>Refund times</h2><p>Five days.</p></body>";
        let files = ConfigFiles::new([("knowledge/en/returns.html", page)]);
        let found = passages(&files, Timestamp::default()).unwrap();
        let told: Vec<(&str, &str)> = found
            .iter()
            .map(|passage| (passage.source.as_str(), passage.body.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("returns.en.html#returns", "Within 30 days."),
                ("returns.en.html#refund-times", "Five days."),
            ]
        );
        let both = ConfigFiles::new([
            ("knowledge/en/returns.html", page),
            ("knowledge/en/returns.md", "# Returns\nNever.\n"),
        ]);
        let problems = passages(&both, Timestamp::default()).unwrap_err();
        assert_eq!(problems[0].file, "knowledge/en/returns.html");
    }

    #[test]
    fn each_heading_is_a_passage_with_its_source() {
        let files = ConfigFiles::new([(
            "knowledge/en/returns.md",
            "# Returns\n\nWithin 30 days.\n\n## Refund times\n\nFive days.\n\n## Empty\n",
        )]);
        let found = passages(&files, Timestamp::default()).unwrap();
        let sources: Vec<&str> = found
            .iter()
            .map(|passage| passage.source.as_str())
            .collect();
        assert_eq!(
            sources,
            ["returns.en.md#returns", "returns.en.md#refund-times"]
        );
        assert_eq!(found[1].body, "Five days.");
        assert_eq!(found[1].id, "passage:returns.en#1");
    }

    #[test]
    fn a_passage_below_no_heading_goes_by_its_document_or_its_file() {
        let files = ConfigFiles::new([
            (
                "knowledge/en/returns.md",
                "You may change your mind.\n\n# Returns\n\nWithin 30 days.\n",
            ),
            (
                "knowledge/en/size_guide.md",
                "We size as usual.\n\n## Shoes\n\nHalf sizes too.\n",
            ),
            (
                "knowledge/en/hours.html",
                "<body><p>Nine to five.</p></body>",
            ),
            (
                "knowledge/en/terms.md",
                "Terms\n=====\n\nOurs.\n\nLaw\n---\n\nGerman.\n",
            ),
        ]);
        let found = passages(&files, Timestamp::default()).unwrap();
        let mut told: Vec<(&str, &str, &str)> = found
            .iter()
            .map(|passage| {
                (
                    passage.title.as_str(),
                    passage.source.as_str(),
                    passage.body.as_str(),
                )
            })
            .collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [
                ("Hours", "hours.en.html#hours", "Nine to five."),
                ("Law", "terms.en.md#law", "German."),
                ("Returns", "returns.en.md#returns", "Within 30 days."),
                (
                    "Returns",
                    "returns.en.md#returns",
                    "You may change your mind."
                ),
                ("Shoes", "size_guide.en.md#shoes", "Half sizes too."),
                (
                    "Size guide",
                    "size_guide.en.md#size-guide",
                    "We size as usual."
                ),
                ("Terms", "terms.en.md#terms", "Ours."),
            ]
        );
    }

    #[test]
    fn a_long_section_is_parted_between_paragraphs() {
        let paragraph = "word ".repeat(150);
        let text = format!("# Long\n\n{paragraph}\n\n{paragraph}\n\n# Short\n\nx\n");
        let files = ConfigFiles::new([("knowledge/de/faq.md", text)]);
        let found = passages(&files, Timestamp::default()).unwrap();
        assert_eq!(found.len(), 3);
        assert!(found[..2].iter().all(|passage| passage.title == "Long"));
    }

    #[test]
    fn a_folder_that_is_no_language_is_named() {
        let files = ConfigFiles::new([("knowledge/notalanguage/faq.md", "# A\n\nb\n")]);
        let problems = passages(&files, Timestamp::default()).unwrap_err();
        assert!(
            problems[0]
                .to_string()
                .starts_with("knowledge/notalanguage/faq.md:0")
        );
    }

    #[test]
    fn a_product_is_found_by_the_colours_and_sizes_of_its_variants() {
        let variant = |sku: &str, size: &str, colour: &str| Variant {
            sku: sku.into(),
            size: Some(size.to_owned()),
            colour: Some(colour.to_owned()),
        };
        let mut product = Product {
            updated_at: None,
            id: "1".into(),
            title: "Tee".into(),
            description: String::new(),
            brand: None,
            category: None,
            attributes: [("Farbe".to_owned(), vec!["rot".to_owned()])].into(),
            url: None,
            image: None,
            variants: vec![
                variant("1", "M", "Rot"),
                variant("2", "L", "blau"),
                variant("3", "M", "blau"),
            ],
        };
        let attributes = |product: &Product| {
            product_document(product, &[], &Language::ENGLISH, Timestamp::default()).attributes
        };
        let found = attributes(&product);
        assert_eq!(found["Farbe"], ["rot", "blau"], "under the catalog's name");
        assert_eq!(found["size"], ["M", "L"]);
        assert_eq!(found.len(), 2, "{found:?}");
        product.attributes.clear();
        assert_eq!(attributes(&product)["colour"], ["Rot", "blau"]);
    }

    #[test]
    fn a_products_text_never_tells_its_price() {
        let product = Product {
            id: "1".into(),
            title: "Tent".into(),
            description: "For two.".into(),
            brand: Some("Alp".into()),
            category: Some("tents".into()),
            attributes: [("colour".to_owned(), vec!["red".to_owned()])].into(),
            url: None,
            image: None,
            variants: vec![doorstep_core::product::Variant {
                sku: "T".into(),
                size: None,
                colour: None,
            }],
            updated_at: None,
        };
        let level = StockLevel {
            sku: "T".into(),
            price: doorstep_core::Money::new(9900, Currency::EUR),
            quantity: 4,
            as_of: Timestamp::default(),
        };
        let document =
            product_document(&product, &[level], &Language::ENGLISH, Timestamp::default());
        assert_eq!(document.price, Some(9900));
        assert_eq!(document.body, "For two.");
        assert_eq!(document.attributes["category"], ["tents"]);
        assert_eq!(document.card(), "Tent. tents. For two.");
        assert_eq!(product_id(&document.id), Some("1"));
    }
}
