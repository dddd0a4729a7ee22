//! A product as the GraphQL Admin API tells it (<https://shopify.dev/docs/api/admin-graphql/latest/objects/Product>).

use std::collections::BTreeMap;

use doorstep_core::{
    Sku,
    product::{COLOUR, Product, SIZE, Variant, add_value, attribute_name},
};
use serde::Deserialize;

use super::shop::Nodes;

/// What is asked of a product, to be appended to a query.
pub(super) const PRODUCT_FIELDS: &str = "fragment ProductFields on Product {
  legacyResourceId status title description vendor productType onlineStoreUrl updatedAt
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
    updated_at: Option<String>,
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
        // Shopify counts inventory among what changes a product; an instant that cannot be read is none.
        let updated_at = self.updated_at.and_then(|text| text.parse().ok());
        Product {
            updated_at,
            id: self.legacy_resource_id,
            title: self.title,
            description: self.description.unwrap_or_default(),
            brand: filled(self.vendor),
            category: filled(self.product_type),
            attributes: attributes(&self.variants.nodes),
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
        let option = |name: &str| {
            let mut options = self.selected_options.iter();
            let found = options.find(|option| attribute_name(&option.name) == name);
            found.map(|option| option.value.clone())
        };
        Variant {
            size: option(SIZE),
            colour: option(COLOUR),
            sku: unit(self.sku, self.legacy_resource_id),
        }
    }
}

/// Every option with the values that variants have. A product without options has one that says so.
fn attributes(variants: &[VariantBody]) -> BTreeMap<String, Vec<String>> {
    let mut attributes = BTreeMap::new();
    let options = variants
        .iter()
        .flat_map(|variant| &variant.selected_options);
    for option in options.filter(|option| option.value != "Default Title") {
        let name = attribute_name(&option.name);
        add_value(&mut attributes, &name, &option.value);
    }
    attributes
}
