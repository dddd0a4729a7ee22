//! A shop whose catalog a feed completes: what the connected shop does not know is answered for by what was imported.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use doorstep_core::{
    Health, ShopCustomerId, Sku, SourceName,
    health::PortError,
    order::Order,
    product::{Product, StockLevel},
    shop::{OrderLookup, Shop},
};

use crate::store::{ImportedProduct, Store, StoreError};

/// Imported products that a page of the catalog holds.
const PAGE: u32 = 250;

/// A [`Shop`] beside which there are imported products. What the connected shop says of a product counts alone; the others'
/// price and stock are facts of the time of their import (G4). Without any such fact a product is not answered for: nobody
/// could say whether it can be had.
pub struct WithImported {
    shop: Arc<dyn Shop>,
    store: Store,
}

impl WithImported {
    /// `shop` with what was imported into `store`.
    pub fn new(shop: Arc<dyn Shop>, store: Store) -> Self {
        Self { shop, store }
    }

    /// Whether a cursor stands among the imported products.
    async fn is_imported(&self, id: &str) -> Result<bool, PortError> {
        let ids = [id.to_owned()];
        let imported = self.store.find_imported(&ids).await.map_err(port)?;
        Ok(!imported.is_empty() && self.shop.find_products(&ids).await?.is_empty())
    }

    /// A page of those that the shop does not know.
    async fn page(&self, mut after: Option<String>) -> Result<Vec<Product>, PortError> {
        loop {
            let page = self.store.list_imported(after.as_deref(), PAGE).await;
            let page = page.map_err(port)?;
            let Some(last) = page.last() else {
                return Ok(Vec::new());
            };
            after = Some(last.product.id.clone());
            let ids: Vec<String> = page.iter().map(|one| one.product.id.clone()).collect();
            let known = self.shop.find_products(&ids).await?;
            let is_known = |id: &str| known.iter().any(|product| product.id == id);
            let page: Vec<Product> = page
                .into_iter()
                .filter(is_told)
                .map(|imported| imported.product)
                .filter(|product| !is_known(&product.id))
                .collect();
            if !page.is_empty() {
                return Ok(page);
            }
        }
    }
}

/// Whether there is a fact about it.
fn is_told(imported: &ImportedProduct) -> bool {
    !imported.units.is_empty()
}

fn port(error: StoreError) -> PortError {
    PortError::new("store", error)
}

#[async_trait]
impl Shop for WithImported {
    fn name(&self) -> &SourceName {
        self.shop.name()
    }

    async fn find_order(&self, lookup: &OrderLookup) -> Result<Option<Order>, PortError> {
        self.shop.find_order(lookup).await
    }

    async fn list_orders(
        &self,
        customer: &ShopCustomerId,
        limit: usize,
    ) -> Result<Vec<Order>, PortError> {
        self.shop.list_orders(customer, limit).await
    }

    /// The shop's products, and behind them the imported ones that it does not know.
    async fn list_products(&self, after: Option<&str>) -> Result<Vec<Product>, PortError> {
        if let Some(id) = after
            && self.is_imported(id).await?
        {
            return self.page(Some(id.to_owned())).await;
        }
        let page = self.shop.list_products(after).await?;
        match page.is_empty() {
            true => self.page(None).await,
            false => Ok(page),
        }
    }

    async fn find_products(&self, ids: &[String]) -> Result<Vec<Product>, PortError> {
        let found = self.shop.find_products(ids).await?;
        let missing: Vec<String> = ids
            .iter()
            .filter(|id| found.iter().all(|product| product.id != **id))
            .cloned()
            .collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let imported = self.store.find_imported(&missing).await.map_err(port)?;
        let imported = imported.into_values().filter(is_told);
        let all = found.into_iter().chain(imported.map(|one| one.product));
        let mut all: BTreeMap<String, Product> =
            all.map(|product| (product.id.clone(), product)).collect();
        Ok(ids.iter().filter_map(|id| all.remove(id)).collect())
    }

    async fn stock(&self, skus: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
        let found = self.shop.stock(skus).await?;
        let missing: Vec<Sku> = skus
            .iter()
            .filter(|sku| found.iter().all(|level| level.sku != **sku))
            .cloned()
            .collect();
        if missing.is_empty() {
            return Ok(found);
        }
        let mut imported = self.store.imported_stock(&missing).await.map_err(port)?;
        let level = |sku: &Sku| {
            let own = found.iter().find(|level| level.sku == *sku).cloned();
            own.or_else(|| imported.remove(sku))
        };
        Ok(skus.iter().filter_map(level).collect())
    }

    async fn healthcheck(&self) -> Health {
        self.shop.healthcheck().await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use doorstep_core::{Money, product::Variant};
    use iso_currency::Currency;

    use super::*;
    use crate::{
        store::{Import, ImportedUnit},
        testing::{TestStore, sqlite_store},
    };

    fn product(id: &str) -> Product {
        Product {
            id: id.to_owned(),
            title: format!("Mug {id}"),
            description: String::new(),
            brand: None,
            category: None,
            attributes: BTreeMap::new(),
            url: None,
            image: None,
            variants: vec![Variant {
                sku: format!("{id}-1").as_str().into(),
                size: None,
                colour: None,
            }],
            updated_at: None,
        }
    }

    fn level(id: &str, test: &TestStore) -> StockLevel {
        StockLevel {
            sku: format!("{id}-1").as_str().into(),
            price: Money::new(1000, Currency::EUR),
            quantity: 1,
            as_of: test.store.ambient().now(),
        }
    }

    /// Sells `a` and `b`, at 10 euros.
    struct Connected(SourceName, Vec<StockLevel>);

    #[async_trait]
    impl Shop for Connected {
        fn name(&self) -> &SourceName {
            &self.0
        }

        async fn find_order(&self, _: &OrderLookup) -> Result<Option<Order>, PortError> {
            Ok(None)
        }

        async fn list_orders(&self, _: &ShopCustomerId, _: usize) -> Result<Vec<Order>, PortError> {
            Ok(Vec::new())
        }

        async fn list_products(&self, after: Option<&str>) -> Result<Vec<Product>, PortError> {
            Ok(match after {
                None => vec![product("a")],
                Some("a") => vec![product("b")],
                Some(_) => Vec::new(),
            })
        }

        async fn stock(&self, skus: &[Sku]) -> Result<Vec<StockLevel>, PortError> {
            let own = self.1.iter().filter(|level| skus.contains(&level.sku));
            Ok(own.cloned().collect())
        }

        async fn healthcheck(&self) -> Health {
            Health::Ok
        }
    }

    /// A feed told of `b`, `c` and `d` at 5 euros; of `e` without a price.
    async fn beside(test: &TestStore) -> WithImported {
        let imported = |id: &str, units| ImportedProduct {
            product: product(id),
            units,
        };
        let unit = |id: &str| ImportedUnit {
            sku: format!("{id}-1").as_str().into(),
            price: Money::new(500, Currency::EUR),
            quantity: 7,
        };
        let mut products: Vec<ImportedProduct> = ["b", "c", "d"]
            .map(|id| imported(id, vec![unit(id)]))
            .into();
        products.push(imported("e", Vec::new()));
        let import = Import {
            products,
            ..Import::default()
        };
        test.store.import(import).await.unwrap();
        let levels = ["a", "b"].map(|id| level(id, test)).into();
        let connected = Connected("connected".into(), levels);
        WithImported::new(Arc::new(connected), test.store.clone())
    }

    #[tokio::test]
    async fn the_catalog_is_the_shops_and_behind_it_what_only_the_feed_knows() {
        let test = sqlite_store().await;
        let shop = beside(&test).await;
        let mut ids: Vec<String> = Vec::new();
        loop {
            let after = ids.last().map(String::as_str);
            let page = shop.list_products(after).await.unwrap();
            if page.is_empty() {
                break;
            }
            ids.extend(page.into_iter().map(|product| product.id));
        }
        assert_eq!(ids, ["a", "b", "c", "d"]);
    }

    #[tokio::test]
    async fn what_the_shop_says_counts_and_the_feed_answers_for_the_rest() {
        let test = sqlite_store().await;
        let shop = beside(&test).await;
        let asked = ["c", "b", "e", "x"].map(str::to_owned);
        let found = shop.find_products(&asked).await.unwrap();
        let ids: Vec<&str> = found.iter().map(|product| product.id.as_str()).collect();
        assert_eq!(ids, ["c", "b"], "of `e` nobody knows whether it can be had");

        test.clock.advance(std::time::Duration::from_hours(24));
        let skus: Vec<Sku> = ["c-1", "b-1", "x-1"].map(Sku::from).into();
        let levels = shop.stock(&skus).await.unwrap();
        let told: Vec<_> = levels
            .iter()
            .map(|level| (level.sku.as_str(), level.price.minor, level.quantity))
            .collect();
        assert_eq!(told, [("c-1", 500, 7), ("b-1", 1000, 1)]);
        let age = test.store.ambient().now() - levels[0].as_of;
        assert_eq!(age, chrono::TimeDelta::days(1), "of the day of the import");
    }
}
