//! A product as the GraphQL Admin API tells it (<https://shopify.dev/docs/api/admin-graphql/latest/objects/Product>).

use doorstep_core::{
    Sku,
    product::{Product, Variant},
};
use serde::Deserialize;

use super::shop::Nodes;

/// What is asked of a product, to be appended to a query.
pub(super) const PRODUCT_FIELDS: &str = "fragment ProductFields on Product {
  legacyResourceId status title description vendor productType onlineStoreUrl
  featuredMedia { preview { image { url } } }
  variants(first: 100) { nodes { legacyResourceId sku selectedOptions { name value } } }
}";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductBody {
    legacy_resource_id: String,
    status: Option<String>,
    title: String,
    description: Option<String>,
    vendor: Option<String>,
    product_type: Option<String>,
    online_store_url: Option<String>,
    featured_media: Option<Media>,
    variants: Nodes<VariantBody>,
}

#[derive(Deserialize)]
struct Media {
    preview: Option<Preview>,
}

#[derive(Deserialize)]
struct Preview {
    image: Option<Image>,
}

#[derive(Deserialize)]
struct Image {
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VariantBody {
    legacy_resource_id: String,
    sku: Option<String>,
    #[serde(default)]
    selected_options: Vec<SelectedOption>,
}

#[derive(Deserialize)]
struct SelectedOption {
    name: String,
    value: String,
}

/// A unit without a name of its own is called by Shopify's identifier of its variant.
pub(super) fn unit(sku: Option<String>, id: String) -> Sku {
    Sku(sku.filter(|sku| !sku.trim().is_empty()).unwrap_or(id))
}

impl ProductBody {
    /// Drafts and archived products are found by their identifiers too, and nobody can buy them.
    pub(super) fn is_sold(&self) -> bool {
        self.status.as_deref() == Some("ACTIVE")
    }

    pub(super) fn into_product(self) -> Product {
        let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
        let image = self
            .featured_media
            .and_then(|media| media.preview?.image?.url);
        Product {
            id: self.legacy_resource_id,
            title: self.title,
            description: self.description.unwrap_or_default(),
            brand: filled(self.vendor),
            category: filled(self.product_type),
            attributes: Default::default(),
            url: self.online_store_url,
            image,
            variants: self
                .variants
                .nodes
                .into_iter()
                .map(VariantBody::into_variant)
                .collect(),
        }
    }
}

impl VariantBody {
    fn into_variant(self) -> Variant {
        let option = |names: &[&str]| {
            let wanted =
                |option: &&SelectedOption| names.contains(&option.name.to_lowercase().as_str());
            let found = self.selected_options.iter().find(wanted);
            found.map(|option| option.value.clone())
        };
        Variant {
            size: option(SIZE_OPTIONS),
            colour: option(COLOUR_OPTIONS),
            sku: unit(self.sku, self.legacy_resource_id),
        }
    }
}

/// What merchants call these options, in the languages that Doorstep speaks.
const SIZE_OPTIONS: &[&str] = &[
    "size",
    "talla",
    "tamanho",
    "taille",
    "pointure",
    "größe",
    "grösse",
    "taglia",
    "misura",
    "размер",
];
const COLOUR_OPTIONS: &[&str] = &[
    "color", "colour", "cor", "couleur", "farbe", "colore", "цвет",
];
