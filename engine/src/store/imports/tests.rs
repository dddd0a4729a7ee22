use doorstep_core::product::Variant;
use iso_currency::Currency;

use super::*;
use crate::testing::{TestStore, stores};

fn mug(id: &str, price: i64, quantity: u32) -> ImportedProduct {
    let sku: Sku = format!("{id}-1").as_str().into();
    ImportedProduct {
        product: Product {
            id: id.to_owned(),
            title: format!("Mug {id}"),
            description: String::new(),
            brand: None,
            category: None,
            attributes: BTreeMap::new(),
            url: None,
            image: None,
            variants: vec![Variant {
                sku: sku.clone(),
                size: None,
                colour: None,
            }],
            updated_at: None,
        },
        units: vec![ImportedUnit {
            sku,
            price: Money::new(price, Currency::EUR),
            quantity,
        }],
    }
}

async fn import(test: &TestStore, products: Vec<ImportedProduct>, kept: Kept) -> Imported {
    let import = Import {
        products,
        kept,
        removals: Removals::UpToHalf,
    };
    test.store.import(import).await.unwrap()
}

async fn ids(test: &TestStore) -> Vec<String> {
    let listed = test.store.list_imported(None, 10).await.unwrap();
    listed.into_iter().map(|one| one.product.id).collect()
}

#[tokio::test]
async fn an_import_replaces_the_one_before_it() {
    for test in stores().await {
        let before = test.store.imports().await.unwrap();
        let all = vec![mug("a", 500, 3), mug("b", 600, 0), mug("c", 700, 1)];
        let first = import(&test, all, Kept::default()).await;
        assert_eq!((first.changed, first.deleted), (3, 0));
        assert_eq!(test.store.imports().await.unwrap(), before + 1);

        // `b` costs less, `c` is not named any more.
        let next = vec![mug("a", 500, 3), mug("b", 550, 0)];
        let second = import(&test, next, Kept::default()).await;
        assert_eq!((second.changed, second.deleted), (1, 1));
        assert_eq!(ids(&test).await, ["a", "b"]);
        let page = test.store.list_imported(Some("a"), 10).await.unwrap();
        assert_eq!(page, [mug("b", 550, 0)]);
    }
}

#[tokio::test]
async fn what_a_broken_row_may_mean_is_kept() {
    for test in stores().await {
        let all = vec![mug("a", 500, 3), mug("b", 600, 0), mug("c", 700, 1)];
        import(&test, all, Kept::default()).await;
        let named = Kept::Only(BTreeSet::from(["b".to_owned()]));
        let told = import(&test, vec![mug("a", 500, 3)], named).await;
        assert_eq!((told.changed, told.deleted), (0, 1));
        assert_eq!(ids(&test).await, ["a", "b"]);
        let told = import(&test, Vec::new(), Kept::All).await;
        assert_eq!((told.changed, told.deleted), (0, 0));
        assert_eq!(ids(&test).await, ["a", "b"]);
    }
}

#[tokio::test]
async fn an_import_removes_more_than_half_only_where_it_may() {
    for test in stores().await {
        let all = vec![mug("a", 500, 3), mug("b", 600, 0), mug("c", 700, 1)];
        import(&test, all, Kept::default()).await;
        let before = test.store.imports().await.unwrap();
        let little = Import {
            products: vec![mug("a", 450, 3), mug("d", 800, 1)],
            ..Import::default()
        };
        let refused = test.store.import(little.clone()).await.unwrap_err();
        let told = "it would remove 2 of 3 imported products";
        assert_eq!(refused.to_string(), told);
        assert_eq!(ids(&test).await, ["a", "b", "c"]);
        let first = test.store.list_imported(None, 1).await.unwrap();
        assert_eq!(first, [mug("a", 500, 3)], "nothing is half applied");
        assert_eq!(test.store.imports().await.unwrap(), before);
        // Nothing at all is the least that a feed can hold.
        let nothing = test.store.import(Import::default()).await;
        assert!(nothing.is_err());

        let written = Arc::new(AtomicUsize::new(0));
        let allowed = Import {
            removals: Removals::Any,
            ..little
        };
        let told = test.store.import_counting(allowed, written.clone()).await;
        let told = told.unwrap();
        assert_eq!((told.changed, told.deleted), (2, 2));
        assert_eq!(ids(&test).await, ["a", "d"]);
        assert_eq!(written.load(Ordering::Relaxed), 2);
    }
}

#[tokio::test]
async fn price_and_stock_are_of_the_time_of_the_import() {
    for test in stores().await {
        import(&test, vec![mug("a", 500, 3)], Kept::default()).await;
        let skus: Vec<Sku> = vec!["a-1".into(), "x-1".into()];
        let first = test.store.imported_stock(&skus).await.unwrap();
        let level = &first[&skus[0]];
        assert_eq!((level.price.minor, level.quantity), (500, 3));
        assert_eq!(level.as_of, test.store.ambient().now());
        assert_eq!(first.len(), 1, "nothing is known of the other");

        // The same, told again a day later, is of that day.
        test.clock.advance(std::time::Duration::from_hours(24));
        import(&test, vec![mug("a", 500, 3)], Kept::default()).await;
        let second = test.store.imported_stock(&skus).await.unwrap();
        let later = second[&skus[0]].as_of - level.as_of;
        assert_eq!(later, TimeDelta::days(1));
    }
}

#[tokio::test]
async fn one_instance_at_a_time_compares_the_catalog() {
    for test in stores().await {
        assert!(test.store.claim_catalog().await.unwrap());
        assert!(test.store.claim_catalog().await.unwrap(), "it is kept");
        test.store.release_catalog().await.unwrap();
        if !test.store.database().is_postgres() {
            continue;
        }
        let sql =
            "UPDATE catalog_turns SET claimed_by = 'another', claimed_until = $1 RETURNING name";
        let until = at(test.store.ambient().now() + TURN);
        test.store.keep_books(sql, vec![until]).await.unwrap();
        assert!(!test.store.claim_catalog().await.unwrap());
        // An instance that died gives its turn up by and by.
        test.clock.advance(TURN.to_std().unwrap());
        assert!(test.store.claim_catalog().await.unwrap());
    }
}
