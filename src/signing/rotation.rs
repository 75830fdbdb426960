//! The rules by which keys follow one another. Pure: the time and what others report are arguments, so
//! that the same rules run in service, in the simulation and in the model.
//!
//! A key is published long before it signs, so that every cache of the key set has it by then, and stays
//! published long after, so that the last token it signed verifies to its end. What a key is at a moment
//! follows from the times in its record alone, and a change is scheduled ahead: every process that may
//! sign has read it before it takes effect.

mod alarm;
mod hold;
mod life;
mod policy;
mod step;
mod timing;

pub use self::alarm::{Alarm, alarm, uploads_due};
pub use self::hold::Hold;
pub use self::life::{KeyLife, KeyState};
pub use self::policy::{FloorError, RotationPolicy};
pub use self::step::{Step, Wish, emergency_start, next_step, promotion};
pub use self::timing::Timing;

#[cfg(test)]
mod tests;
