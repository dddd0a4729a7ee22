//! What the embedded index promises beyond the conformance suite: languages, restarts, damage.

use std::{fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::conformance::{COOKING, RAIN, ask, passage, product, shop};

const MODEL: &str = "toy@1";

mod in_memory {
    use super::*;

    crate::search_index_conformance!(Box::new(EmbeddedIndex::in_memory().unwrap()));
}

mod on_disk {
    use super::*;

    struct OnDisk {
        index: EmbeddedIndex,
        _directory: TempDir,
    }

    impl std::ops::Deref for OnDisk {
        type Target = EmbeddedIndex;

        fn deref(&self) -> &EmbeddedIndex {
            &self.index
        }
    }

    async fn fresh() -> OnDisk {
        let directory = tempfile::tempdir().unwrap();
        OnDisk {
            index: EmbeddedIndex::open(directory.path(), MODEL).await.unwrap(),
            _directory: directory,
        }
    }

    crate::search_index_conformance!(fresh().await);
}

async fn ids(index: &EmbeddedIndex, query: SearchQuery) -> Vec<String> {
    let found = index.search(&query).await.unwrap();
    found.hits.into_iter().map(|hit| hit.id).collect()
}

fn by_vector(vector: &[f32]) -> SearchQuery {
    SearchQuery {
        vector: Some(vector.to_vec()),
        ..ask("")
    }
}

fn product_in(language: &str, title: &str) -> SearchDocument {
    SearchDocument {
        language: language.parse().unwrap(),
        ..product(&format!("{language}:{title}"), title, "")
    }
}

#[tokio::test]
async fn inflected_words_find_each_other_in_every_language() {
    let index = EmbeddedIndex::in_memory().unwrap();
    let cases = [
        ("en", "Waterproof jacket", "waterproof jackets"),
        ("es", "Chaqueta impermeable", "busco chaquetas impermeables"),
        ("es", "Spray de impermeabilización", "impermeabilizacion"),
        ("pt", "Casaco impermeável", "casacos impermeaveis"),
        ("fr", "Veste imperméable", "des vestes impermeables"),
        ("de", "Wasserdichte Jacke", "habt ihr wasserdichte Jacken?"),
        ("it", "Giacca impermeabile", "giacche impermeabili"),
        ("ru", "Непромокаемая куртка", "непромокаемые куртки"),
        ("tr", "Yağmurluk mont", "YAGMURLUK"),
    ];
    let documents = cases.map(|(language, title, _)| product_in(language, title));
    index.upsert(documents.to_vec()).await.unwrap();
    for (language, title, query) in cases {
        let found = ids(&index, ask(query)).await;
        assert_eq!(found[0], format!("{language}:{title}"), "{query}");
    }
}

#[tokio::test]
async fn a_word_of_the_title_weighs_more_than_one_of_the_text() {
    let index = EmbeddedIndex::in_memory().unwrap();
    let documents = vec![
        product("text", "Dome tent red", "Comes with a lantern inside."),
        product("title", "Lantern two inside", "Comes with a tent red."),
    ];
    index.upsert(documents).await.unwrap();
    assert_eq!(ids(&index, ask("lantern")).await, ["title", "text"]);
}

#[tokio::test]
async fn a_stop_word_of_one_language_stays_a_word_of_another() {
    let index = EmbeddedIndex::in_memory().unwrap();
    let documents = vec![
        product_in("en", "Wool hat"),
        product_in("de", "Er hat Wolle"),
    ];
    index.upsert(documents).await.unwrap();
    assert_eq!(ids(&index, ask("hat")).await, ["en:Wool hat"]);
}

#[tokio::test]
async fn a_known_document_keeps_its_vector_when_only_its_price_changes() {
    let index = EmbeddedIndex::in_memory().unwrap();
    index.upsert(shop()).await.unwrap();
    let [jacket, mug] = ["jacket", "mug"].map(str::to_owned);
    let known = index.known(&[jacket.clone(), mug]).await.unwrap();
    let mut document = shop().remove(0);
    assert_eq!(
        known,
        BTreeMap::from([(jacket, document.content_hash())]),
        "the mug has no vector, so it needs one still"
    );

    document.vector = None;
    document.price = Some(1);
    index.upsert(vec![document.clone()]).await.unwrap();
    let mut query = by_vector(&RAIN);
    query.filters.max_price = Some(1);
    assert_eq!(ids(&index, query).await, ["jacket"]);

    // Nor when a word behind its card does, which is found all the same.
    document.brand = Some("Nordwetter".to_owned());
    index.upsert(vec![document.clone()]).await.unwrap();
    assert_eq!(ids(&index, ask("nordwetter")).await, ["jacket"]);
    assert_eq!(ids(&index, by_vector(&RAIN)).await[0], "jacket");

    document.body = "Another text".to_owned();
    index.upsert(vec![document.clone()]).await.unwrap();
    assert!(index.known(&[document.id]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_document_that_is_refused_holds_up_no_other() {
    let index = EmbeddedIndex::in_memory().unwrap();
    index.upsert(shop()).await.unwrap();
    let odd = SearchDocument {
        vector: Some(vec![1.0; 3]),
        ..product("odd", "Odd", "")
    };
    let nameless = product("", "Nameless", "");
    let error = index.upsert(vec![odd.clone()]).await.unwrap_err();
    assert!(error.reason.contains("`odd`"), "{error}");
    let batch = vec![nameless, product("fine", "Fine", ""), odd];
    index.upsert(batch).await.unwrap();
    assert_eq!(index.count().await.unwrap(), 6);
    assert_eq!(ids(&index, ask("fine")).await, ["fine"]);
    let query = SearchQuery {
        text: "stove".to_owned(),
        ..by_vector(&[1.0; 3])
    };
    assert_eq!(ids(&index, query).await, ["stove"], "words still decide");
}

#[tokio::test]
async fn a_vector_without_direction_is_as_none() {
    let index = EmbeddedIndex::in_memory().unwrap();
    let nowhere = SearchDocument {
        vector: Some(vec![f32::NAN, 0.0, 0.0, 0.0]),
        ..product("nowhere", "Compass", "")
    };
    let mut documents = shop();
    documents.push(nowhere);
    index.upsert(documents).await.unwrap();
    assert_eq!(ids(&index, ask("compass")).await, ["nowhere"]);
    assert!(ids(&index, by_vector(&[0.0; 4])).await.is_empty());
}

#[tokio::test]
async fn a_restart_keeps_words_facts_and_vectors() {
    let directory = tempfile::tempdir().unwrap();
    let first = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
    first.upsert(shop()).await.unwrap();
    let policy = passage("returns", "en", "Returns", "Thirty days.");
    first.upsert(vec![policy]).await.unwrap();
    first.delete(&["mug".to_owned()]).await.unwrap();
    let stove = ["stove".to_owned()];
    let before = first.known(&stove).await.unwrap();
    drop(first);

    let second = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
    assert_eq!(second.healthcheck().await, Health::Ok);
    assert_eq!(second.count().await.unwrap(), 5);
    assert_eq!(second.known(&stove).await.unwrap(), before);
    assert_eq!(ids(&second, ask("waterproof jacket")).await[0], "jacket");
    assert_eq!(ids(&second, by_vector(&COOKING)).await[0], "stove");
    let mut narrow = ask("waterproof");
    narrow.filters.brand = Some("bergstrom".to_owned());
    assert_eq!(ids(&second, narrow).await, ["poncho"]);
    // The place of the mug is given again.
    second
        .upsert(vec![product("tent", "Dome tent", "")])
        .await
        .unwrap();
    assert_eq!(ids(&second, ask("tent")).await, ["tent"]);
}

#[tokio::test]
async fn a_write_that_never_committed_leaves_the_index_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let index = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
    index.upsert(shop()).await.unwrap();
    drop(index);
    // What a crash leaves behind: files that no commit names.
    let home = storage::home(directory.path());
    fs::write(home.join("0123456789abcdef0123456789abcdef.store"), "half").unwrap();

    let again = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
    assert_eq!(again.healthcheck().await, Health::Ok);
    assert_eq!(again.count().await.unwrap(), 5);
    again
        .upsert(vec![product("tent", "Dome tent", "")])
        .await
        .unwrap();
    assert_eq!(again.count().await.unwrap(), 6);
}

#[tokio::test]
async fn a_damaged_index_is_begun_anew_whatever_the_damage() {
    for damage in [flip_a_byte_of_every_file, cut_every_file, empty_every_file] {
        let directory = tempfile::tempdir().unwrap();
        let index = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
        index.upsert(shop()).await.unwrap();
        drop(index);
        damage(&storage::home(directory.path()));

        let again = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
        assert_eq!(again.count().await.unwrap(), 0);
        let health = again.healthcheck().await;
        assert!(matches!(health, Health::Degraded { .. }), "{health:?}");
        again.upsert(shop()).await.unwrap();
        assert_eq!(again.healthcheck().await, Health::Ok);
        assert_eq!(ids(&again, ask("stove")).await, ["stove"]);
    }
}

#[tokio::test]
async fn a_single_damaged_file_never_panics_or_gives_wrong_documents() {
    let whole = tempfile::tempdir().unwrap();
    let index = EmbeddedIndex::open(whole.path(), MODEL).await.unwrap();
    index.upsert(shop()).await.unwrap();
    drop(index);
    let names: Vec<_> = fs::read_dir(storage::home(whole.path()))
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .collect();
    for name in names {
        for length in [0, 1, 20] {
            let directory = tempfile::tempdir().unwrap();
            copy(
                &storage::home(whole.path()),
                &storage::home(directory.path()),
            );
            let file = storage::home(directory.path()).join(&name);
            let bytes = fs::read(&file).unwrap();
            fs::write(&file, &bytes[..bytes.len().min(length)]).unwrap();
            let again = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
            match again.count().await.unwrap() {
                0 => {}
                _ => assert_eq!(ids(&again, by_vector(&COOKING)).await[0], "stove"),
            }
            again.upsert(shop()).await.unwrap();
            assert_eq!(ids(&again, ask("stove")).await, ["stove"], "{name:?}");
        }
    }
}

#[tokio::test]
async fn vectors_of_another_model_are_not_kept() {
    let directory = tempfile::tempdir().unwrap();
    let index = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
    index.upsert(shop()).await.unwrap();
    drop(index);
    let again = EmbeddedIndex::open(directory.path(), "toy@2")
        .await
        .unwrap();
    let Health::Degraded { reason } = again.healthcheck().await else {
        panic!("the operator is not told");
    };
    assert!(
        reason.contains("toy@1") && reason.contains("toy@2"),
        "{reason}"
    );
}

#[tokio::test]
async fn a_second_opening_is_refused_while_the_first_lives() {
    let directory = tempfile::tempdir().unwrap();
    let first = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
    let second = EmbeddedIndex::open(directory.path(), MODEL).await;
    assert!(matches!(second, Err(OpenError::InUse(_))));
    drop(first);
    EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
}

#[tokio::test]
async fn only_our_own_folder_is_ever_removed() {
    let directory = tempfile::tempdir().unwrap();
    let precious = directory.path().join("precious.txt");
    fs::write(&precious, "kept").unwrap();
    let home = storage::home(directory.path());
    fs::create_dir(&home).unwrap();
    fs::write(home.join("meta.json"), "{").unwrap();
    let index = EmbeddedIndex::open(directory.path(), MODEL).await.unwrap();
    assert_eq!(index.count().await.unwrap(), 0);
    assert_eq!(fs::read_to_string(precious).unwrap(), "kept");
}

fn every_file(home: &Path, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    for file in fs::read_dir(home).unwrap() {
        let path = file.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        fs::write(path, change(bytes)).unwrap();
    }
}

fn flip_a_byte_of_every_file(home: &Path) {
    every_file(home, |mut bytes| {
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 0xff;
        }
        bytes
    });
}

fn cut_every_file(home: &Path) {
    every_file(home, |mut bytes| {
        bytes.truncate(bytes.len() / 2);
        bytes
    });
}

fn empty_every_file(home: &Path) {
    every_file(home, |_| Vec::new());
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
