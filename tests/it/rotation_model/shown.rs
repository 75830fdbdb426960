//! States in words, for counterexamples. Times are ages: negative ones are in the future.

use std::fmt;

use super::outside::Outside;
use super::replica::{Clock, Replica};
use super::table::{Key, Table};

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "published {}", self.published)?;
        for (what, age) in [("from", self.from), ("until", self.until), ("revoked", self.revoked)] {
            if let Some(age) = age {
                write!(f, " {what} {age}")?;
            }
        }
        f.write_str(if self.removed { " removed" } else { "" })
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.slots().map(|(slot, key)| format!("k{slot}: {key}")).collect();
        write!(f, "[{}]", keys.join(", "))
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.clock, self.view) {
            (Clock::Absent, _) => f.write_str("absent"),
            (Clock::Unknown, _) => f.write_str("starting"),
            (Clock::Offset(offset), None) => write!(f, "clock {offset} cut off"),
            (Clock::Offset(offset), Some(view)) => {
                write!(f, "clock {offset} read {} ago {}", view.age, view.keys)?;
                self.acknowledged.map_or(Ok(()), |age| write!(f, " acknowledged {age} ago"))
            }
        }
    }
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cache {
            None => f.write_str("no cache")?,
            Some(cache) => write!(f, "cache {:05b} age {}", cache.keys, cache.age)?,
        }
        match self.token {
            None => Ok(()),
            Some(token) => write!(f, " token of k{} for {} more", token.slot, token.left),
        }
    }
}
