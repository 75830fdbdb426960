//! Lists that come in pages. Each has a type of its own, because the member that holds the entries is named after them.

use serde::de::DeserializeOwned;

/// One page of a list, newest entries first.
pub trait Page: DeserializeOwned {
    type Entry;

    /// The member that holds the entries.
    const MEMBER: &'static str;

    /// The entries, and the cursor of the next page; `None` on the last one.
    fn into_parts(self) -> (Vec<Self::Entry>, Option<String>);
}

/// A page whose entries are in the member `$member`.
macro_rules! page {
    ($page:ident, $member:ident: $entry:ty) => {
        impl $crate::api::page::Page for $page {
            type Entry = $entry;

            const MEMBER: &'static str = stringify!($member);

            fn into_parts(self) -> (Vec<$entry>, Option<String>) {
                (self.$member, self.next_cursor)
            }
        }
    };
}

pub(super) use page;
