//! Documents as objects: in a folder, and in a store that misbehaves. `tests/world` has the emulators of clouds.

mod failures;
mod folder;
mod in_service;
mod targets;

use runmint_testing::places::{Fault, Shelf, has_what_was_published, publish, puts_headers_right, written};

use self::folder::Folder;

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_serves_the_published_documents() {
    has_what_was_published(&Folder::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn google_serves_the_published_documents() {
    let shelf = Shelf::start(Fault::None).await;
    has_what_was_published(&shelf).await;
    puts_headers_right(&shelf).await;
}

#[tokio::test]
async fn objects_are_written_in_the_order_given() {
    let shelf = Shelf::start(Fault::None).await;
    let paths = ["z", ".well-known/openid-configuration", "a", "b/a"];
    assert_eq!(publish(&shelf, &paths.map(|path| (path, "{}"))).await, Ok(written(&paths)));
    assert_eq!(shelf.written(), paths.map(|path| format!("/documents/site/{path}")));
}
