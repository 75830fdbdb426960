//! What relying parties need and refuse.

pub mod limits;
pub mod trust;
