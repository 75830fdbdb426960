//! What relying parties need and refuse.

pub mod errors;
pub mod limits;
pub mod trust;
