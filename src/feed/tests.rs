use super::*;

fn euros(text: &str, format: Format) -> Feed {
    read(text.as_bytes(), format, Currency::EUR, &mut || {}).unwrap()
}

fn told(feed: &Feed) -> Vec<String> {
    feed.refused.iter().map(ToString::to_string).collect()
}

const SHOPIFY: &str = "\
Handle,Title,Body (HTML),Vendor,Type,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Inventory Tracker,Variant Inventory Qty,Variant Price,Image Src,Status
jacket,Rain jacket,\"<p>Keeps <b>rain</b> out &amp; warmth in.</p>
<p>Hood.</p>\",Fjordvik,Jackets,Size,M,Color,Red,J-M,shopify,0,129.90,https://shop.example/j.jpg,active
jacket,,,,,,L,,Red,J-L,shopify,3,119.00,,active
jacket,,,,,,,,,,,,,https://shop.example/j2.jpg,
mug,Mug,,,Kitchen,Title,Default Title,,,MUG,shopify,,12,,active
stove,Stove,,,Kitchen,Title,Default Title,,,STOVE,shopify,2,twelve,,active
lamp,,,,Kitchen,Title,Default Title,,,LAMP,shopify,2,5.00,,active
tent,Tent,,,Tents,Size,2,,,T-2,shopify,5,200,,active
tent,,,,,,4,,,T-4,shopify,many,300,,active
";

#[test]
fn a_shopify_export_with_three_broken_rows_gives_the_rest_and_names_the_three() {
    let feed = euros(SHOPIFY, Format::ShopifyCsv);
    assert_eq!(
        told(&feed),
        [
            "7: Variant Price: `twelve` is not a price in EUR; write it like `12.95` or `12.95 EUR`",
            "8: Title: it is empty; every product needs it",
            "10: Variant Inventory Qty: `many` is not a whole number",
        ]
    );
    let ids: Vec<&str> = feed
        .products
        .iter()
        .map(|listed| listed.product.id.as_str())
        .collect();
    assert_eq!(ids, ["jacket", "mug"]);
    let jacket = &feed.products[0];
    let units = |listed: &Listed| -> Vec<(String, Option<i64>, u32)> {
        let told = listed.units.iter();
        told.map(|unit| (unit.sku.as_str().to_owned(), unit.price, unit.quantity))
            .collect()
    };
    assert_eq!(
        units(jacket),
        [
            ("J-M".to_owned(), Some(12_990), 0),
            ("J-L".to_owned(), Some(11_900), 3)
        ]
    );
    assert_eq!(
        jacket.product.description,
        "Keeps rain out & warmth in. Hood."
    );
    assert_eq!(jacket.product.attributes["size"], ["M", "L"]);
    assert_eq!(jacket.product.attributes["color"], ["Red"]);
    assert_eq!(jacket.product.attributes.len(), 2);
    let sizes: Vec<_> = jacket
        .product
        .variants
        .iter()
        .map(|one| one.size.as_deref())
        .collect();
    assert_eq!(sizes, [Some("M"), Some("L")]);
    let mug = &feed.products[1];
    assert_eq!(units(mug), [("MUG".to_owned(), Some(1200), UNCOUNTED)]);
    assert_eq!(mug.product.attributes.len(), 0);
}

#[test]
fn a_google_feed_reads_the_same_in_both_forms() {
    let tabs = "ID\ttitle\tdescription\tprice\tavailability\titem group id\tcolor\tsize\n\
                r1\tRain \"jacket\"\tDry & light\t129.90 EUR\tin stock\tjacket\tRed\tM\n\
                r2\tRain \"jacket\"\tDry & light\t99,00 EUR\tout_of_stock\tjacket\tBlue\tL\n\
                m1\tMug\t\t12 USD\tin_stock\t\t\t\n\
                s1\tStove\t\t12 EUR\tsometimes\t\t\t\n";
    let xml = "<?xml version=\"1.0\"?>
<rss version=\"2.0\" xmlns:g=\"http://base.google.com/ns/1.0\"><channel><title>Shop</title>
<item><g:id>r1</g:id><title>Rain \"jacket\"</title><description>Dry &amp; light</description><g:price>129.90 EUR</g:price>
<g:availability>in stock</g:availability><g:item_group_id>jacket</g:item_group_id><g:color>Red</g:color><g:size>M</g:size></item>
<item><g:id>r2</g:id><title><![CDATA[Rain \"jacket\"]]></title><description>Dry &#38; light</description><g:price>99,00 EUR</g:price>
<g:availability>out_of_stock</g:availability><g:item_group_id>jacket</g:item_group_id><g:color>Blue</g:color><g:size>L</g:size></item>
<item><g:id>m1</g:id><title>Mug</title><g:price>12 USD</g:price></item>
<item><g:id>s1</g:id><title>Stove</title><g:price>12 EUR</g:price><g:availability>sometimes</g:availability></item>
</channel></rss>";
    let (tabs, xml) = (
        euros(tabs, Format::GoogleTsv),
        euros(xml, Format::GoogleXml),
    );
    assert_eq!(tabs.products, xml.products);
    let [jacket] = &xml.products[..] else {
        panic!("{:?}", xml.products);
    };
    assert_eq!(jacket.product.id, "jacket");
    assert_eq!(jacket.product.title, "Rain \"jacket\"");
    assert_eq!(jacket.product.description, "Dry & light");
    assert_eq!(jacket.product.attributes["colour"], ["Red", "Blue"]);
    let units = jacket.units.iter().map(|unit| (unit.price, unit.quantity));
    assert_eq!(
        units.collect::<Vec<_>>(),
        [(Some(12_990), UNCOUNTED), (Some(9900), 0)]
    );
    let lines = |feed: &Feed| feed.refused.iter().map(|row| row.line).collect::<Vec<_>>();
    assert_eq!(lines(&tabs), [4, 5]);
    assert_eq!(lines(&xml), [7, 8]);
    assert!(told(&xml)[1].contains("availability: `sometimes` is none of"));
}

#[test]
fn a_file_of_another_form_is_told() {
    let wrong = |text: &str, format| {
        let read = read(text.as_bytes(), format, Currency::EUR, &mut || {});
        read.unwrap_err().to_string()
    };
    assert!(wrong("id,title\n1,Mug\n", Format::ShopifyCsv).contains("no column `Handle`"));
    assert!(wrong("<html></html>", Format::GoogleXml).contains("neither `rss` nor `feed`"));
    assert!(wrong("<rss><item></rss>", Format::GoogleXml).starts_with("line 1: "));
    assert!(wrong("", Format::GoogleTsv).contains("no column `id`"));
}

#[test]
fn a_file_that_is_not_utf_8_is_told_as_a_whole_and_a_byte_order_mark_is_passed_over() {
    for (format, text) in [
        (Format::ShopifyCsv, &b"Handle,Title\nmug,Gr\xfcn\n"[..]),
        (
            Format::Jsonl,
            &b"{\"id\": \"mug\", \"title\": \"Gr\xfcn\"}\n"[..],
        ),
        (Format::GoogleXml, &b"<rss><title>Gr\xfcn</title></rss>"[..]),
    ] {
        let read = read(text, format, Currency::EUR, &mut || {});
        let told = read.unwrap_err().to_string();
        assert!(told.contains("UTF-8"), "{told}");
    }
    let marked = "\u{feff}Handle,Title,Variant Price\nmug,Mug,5.00\n";
    assert_eq!(euros(marked, Format::ShopifyCsv).products.len(), 1);
}

/// The row of the size M says `Dry, warm` without quotation marks, so that its handle seems to be `warm`.
const SHIFTED: &str = "\
Title,Handle,Option1 Name,Option1 Value,Variant SKU,Variant Price
Jacket,jacket,Size,S,J-S,100.00
Dry, warm,jacket,Size,M,J-M,100.00
,jacket,,L,J-L,100.00
Mug,mug,,,MUG,12.00
";

#[test]
fn a_row_with_too_many_values_leaves_the_product_that_it_may_be_about_out() {
    let mut rows = 0;
    let feed = read(
        SHIFTED.as_bytes(),
        Format::ShopifyCsv,
        Currency::EUR,
        &mut || rows += 1,
    );
    let feed = feed.unwrap();
    assert_eq!(rows, 4);
    assert_eq!(told(&feed), ["3: 7 values for 6 columns"]);
    let ids: Vec<&str> = feed
        .products
        .iter()
        .map(|listed| listed.product.id.as_str())
        .collect();
    assert_eq!(ids, ["mug"], "the jacket would lack its size M");
    assert!(feed.broken.contains("jacket"));
}

#[test]
fn a_google_item_that_does_not_say_whether_it_can_be_had_has_no_stock() {
    let tabs = "id\ttitle\tprice\tavailability\titem group id\n\
                r1\tJacket\t129.90 EUR\tin stock\tjacket\n\
                r2\tJacket\t129.90 EUR\t\tjacket\n\
                m1\tMug\t12 EUR\t\t\n";
    let feed = euros(tabs, Format::GoogleTsv);
    assert_eq!(told(&feed), [] as [&str; 0]);
    let units: Vec<Vec<_>> = feed
        .products
        .iter()
        .map(|listed| {
            let units = listed.units.iter();
            units
                .map(|unit| (unit.sku.as_str(), unit.quantity))
                .collect()
        })
        .collect();
    assert_eq!(units, [vec![("r1", UNCOUNTED)], vec![]]);
    let variants: Vec<usize> = feed
        .products
        .iter()
        .map(|listed| listed.product.variants.len())
        .collect();
    assert_eq!(variants, [2, 1], "it is there all the same");
}

#[test]
fn a_json_line_needs_no_more_than_an_identifier_a_title_and_a_price() {
    let lines = r#"{"id": "mug", "title": "Mug", "price": 12.5, "stock": true}
{"id": "lamp", "title": "Lamp", "description": null, "variants": null, "price": "30"}
{"id": "kite", "title": "Kite", "variants": []}
{"id": "mug", "title": "Mug again", "price": "much"}
"#;
    let feed = euros(lines, Format::Jsonl);
    let lamp = &feed.products[0];
    assert_eq!(lamp.product.id, "lamp");
    assert_eq!(lamp.product.description, "");
    assert_eq!(lamp.product.variants[0].sku.as_str(), "lamp");
    assert_eq!(lamp.units, [], "nobody says whether there is any");
    assert_eq!(feed.products.len(), 1, "a line about the mug is broken");
    assert_eq!(feed.refused[0].column, "variants");

    let first = lines.lines().next().unwrap();
    let mug = &euros(first, Format::Jsonl).products[0];
    let units: Vec<_> = mug
        .units
        .iter()
        .map(|unit| (unit.sku.as_str(), unit.price, unit.quantity))
        .collect();
    assert_eq!(units, [("mug", Some(1250), UNCOUNTED)]);
}

#[test]
fn json_lines_tell_price_and_stock_and_a_broken_one_names_its_product_and_field() {
    let lines = r#"{"id": "mug", "title": "Mug", "description": "", "price": 12.5, "stock": true, "variants": [{"sku": "M-S"}, {"sku": "M-L", "price": "14,00 EUR", "stock": 2}]}
{"id": "lamp", "title": "Lamp", "description": "", "variants": [{"sku": "LAMP"}]}

{"id": "kite", "title": "Kite", "description": "" "variants": []}
{"id": "swing", "title": 7, "description": "", "variants": [{"sku": "SWING"}]}
{"id": "tent", "title": "Tent", "description": "", "variants": [{"size": "M"}]}
{"id": "stove", "title": "Stove", "description": "", "price": "twelve", "variants": [{"sku": "STOVE"}]}
{"id": "cup", "title": "Cup", "description": "", "variants": [{"sku": "CUP", "stock": 1.5}]}
[]
"#;
    let feed = euros(lines, Format::Jsonl);
    let units: Vec<_> = feed.products[0]
        .units
        .iter()
        .map(|unit| (unit.sku.as_str(), unit.price, unit.quantity))
        .collect();
    assert_eq!(
        units,
        [("M-S", Some(1250), UNCOUNTED), ("M-L", Some(1400), 2)]
    );
    assert_eq!(feed.products[1].units, [], "nothing is told of the lamp");
    let places: Vec<_> = feed
        .refused
        .iter()
        .map(|row| (row.line, row.column.as_str(), row.product.as_deref()))
        .collect();
    assert_eq!(
        places,
        [
            (4, "character 51", Some("kite")),
            (5, "title", Some("swing")),
            (6, "variants[0]", Some("tent")),
            (7, "price", Some("stove")),
            (8, "variants[0].stock", Some("cup")),
            (9, "character 2", None),
        ]
    );
    assert!(told(&feed)[2].contains("missing field `sku`"));
}
