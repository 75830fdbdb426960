//! The output that users of each library see when a cloud refuses, kept in `tests/clients/refusals/`: they
//! paste it when they ask for help.

use super::client::root;
use super::world::Site;

/// Compares with the file of this name. To update the file, remove it and run the test twice.
#[track_caller]
pub(super) fn is_as_kept(world: &Site, name: &str, shown: &str) {
    let path = root().join("tests/clients/refusals").join(format!("{name}.txt"));
    let shown = anonymous(world, shown);
    let Ok(kept) = std::fs::read_to_string(&path) else {
        std::fs::write(&path, format!("{shown}\n")).unwrap();
        panic!("{} was not there and has been written: look at it and commit it", path.display());
    };
    assert_eq!(shown, kept.trim_end(), "what {name} shows has changed");
}

/// The output without what differs between tests.
fn anonymous(world: &Site, shown: &str) -> String {
    let run = world.run_id();
    [
        (world.issuer.as_str(), "https://id.example.com/oidc"),
        (world.clouds.aws_url().as_str(), "https://sts.eu-central-1.amazonaws.com"),
        (world.clouds.entra_url().as_str(), "https://login.microsoftonline.com"),
        (world.clouds.google_url().as_str(), "https://sts.googleapis.com"),
        (run, "01a1ffba-a0f8-7dc0-8c93-f6439bfc1de2"),
        (&world.folder.display().to_string(), "/run"),
    ]
    .iter()
    .fold(shown.trim().to_owned(), |text, (found, instead)| text.replace(found, instead))
}
