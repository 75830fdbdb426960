//! Pages of a list that is ordered by id, newest first.

use uuid::Uuid;

pub const MAX_PAGE: u32 = 200;
pub const DEFAULT_PAGE: u32 = 50;

/// Which page: at most `limit` entries older than `before`.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    pub limit: u32,
    pub before: Option<Uuid>,
}

impl PageRequest {
    /// One more than asked for tells whether another page follows.
    pub fn fetch_limit(self) -> i64 {
        i64::from(self.limit) + 1
    }

    pub fn before_text(self) -> Option<String> {
        self.before.map(|id| id.to_string())
    }

    pub fn page<T>(self, mut items: Vec<T>, id_of: impl Fn(&T) -> Uuid) -> Page<T> {
        let limit = self.limit as usize;
        let more = items.len() > limit;
        items.truncate(limit);
        let next = if more { items.last().map(id_of) } else { None };
        Page { items, next }
    }
}

#[derive(Debug)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Where the next page begins; `None` on the last one.
    pub next: Option<Uuid>,
}
