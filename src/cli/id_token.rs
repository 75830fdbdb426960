use super::failure::Failure;
use super::output::Format;
use clap::Args;
#[derive(Args)]
pub(super) struct IdToken {}
impl IdToken {
    pub(super) async fn execute(self, _: Format) -> Result<(), Failure> {
        Ok(())
    }
}
