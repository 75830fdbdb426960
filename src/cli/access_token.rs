use super::failure::Failure;
use super::output::Format;
use clap::Subcommand;
#[derive(Subcommand)]
pub(super) enum Command {
    List,
}
impl Command {
    pub(super) async fn execute(self, _: Format) -> Result<(), Failure> {
        Ok(())
    }
}
