use super::failure::Failure;
use super::output::Format;
use clap::Args;
#[derive(Args)]
pub(super) struct Inspect {}
impl Inspect {
    pub(super) async fn execute(self, _: Format) -> Result<(), Failure> {
        Ok(())
    }
}
