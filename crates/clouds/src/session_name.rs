//! The name of an AWS session, made from its run. CloudTrail shows it, and the AWS CLI caches sessions by it, so that
//! no two runs may share a name.

use super::settings::RoleSessionName;

/// The limit of STS.
const MAX_CHARS: usize = 64;
const SEPARATOR: &str = "-";

/// The parts of a session's name, in order. Empty parts are left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunNames {
    /// Organization, project and stack, shortened evenly if they do not all fit.
    pub names: Vec<String>,
    /// Shortened only if it leaves no room for the id.
    pub operation: String,
    /// Unique, never shortened.
    pub id: String,
}

/// `ORGANIZATION-PROJECT-STACK-OPERATION-ID` in at most 64 characters. Characters that AWS refuses become `-`.
pub fn session_name(run: &RunNames) -> RoleSessionName {
    let mut id = allowed(&run.id);
    id.truncate(MAX_CHARS);
    let mut operation = allowed(&run.operation);
    operation.truncate(MAX_CHARS.saturating_sub(id.len() + SEPARATOR.len()));
    let fixed: Vec<String> = [operation, id].into_iter().filter(|part| !part.is_empty()).collect();
    let mut names: Vec<String> = run.names.iter().map(|name| allowed(name)).collect();
    names.retain(|name| !name.is_empty());

    let taken = fixed.iter().map(|part| part.len() + SEPARATOR.len()).sum::<usize>();
    let separators = names.len().saturating_sub(1) * SEPARATOR.len();
    cut_evenly(&mut names, MAX_CHARS.saturating_sub(taken + separators));
    names.retain(|name| !name.is_empty());

    let name = [names, fixed].concat().join(SEPARATOR);
    // STS requires two characters; a run without names would have fewer.
    let name = if name.len() < 2 { format!("runmint{SEPARATOR}{name}") } else { name };
    name.parse().expect("it has the length and the characters of a session name")
}

/// Shortens the longest names until all fit into `room` bytes.
fn cut_evenly(names: &mut [String], room: usize) {
    while names.iter().map(String::len).sum::<usize>() > room {
        // Of equally long names shorten the last: the first says most.
        let Some(longest) = names.iter_mut().max_by_key(|name| name.len()) else { return };
        longest.pop();
    }
}

fn allowed(text: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    text.chars().map(|c| if is_allowed(c) { c } else { '-' }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ID: &str = "d23f0824-128b-4f33-8c5c-7fd0a6a3a450";

    fn name(names: &[&str], operation: &str) -> String {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        session_name(&RunNames { names, operation: operation.into(), id: ID.into() }).to_string()
    }

    #[test]
    fn names_that_fit_stay_whole_and_others_are_shortened_evenly() {
        assert_eq!(name(&["acme", "web", "prod"], "update"), format!("acme-web-prod-update-{ID}"));
        assert_eq!(
            name(&["acme-international", "website", "production-eu"], "preview"),
            format!("acme-i-websit-produ-preview-{ID}"),
        );
        assert_eq!(
            name(&["a", "website-of-the-shop", "p"], "update"),
            format!("a-website-of-the-s-p-update-{ID}")
        );
        assert_eq!(name(&["büro", "a b", ""], "x/y"), format!("b-ro-a-b-x-y-{ID}"));
        assert_eq!(session_name(&RunNames::default()).as_str(), "runmint-");
    }

    proptest! {
        #[test]
        fn a_name_is_always_valid_for_sts_and_keeps_operation_and_id(
            names in proptest::collection::vec(".{0,80}", 0..5),
            operation in "[a-z]{0,27}",
            id in "[0-9a-f-]{1,36}",
        ) {
            let run = RunNames { names, operation: operation.clone(), id: id.clone() };
            let name = session_name(&run);
            prop_assert!((2..=64).contains(&name.as_str().len()));
            prop_assert!(name.as_str().parse::<RoleSessionName>().is_ok());
            let end = if operation.is_empty() { id } else { format!("{operation}-{id}") };
            prop_assert!(name.as_str().ends_with(&end), "{name}");
        }

        #[test]
        fn no_name_is_shortened_below_a_longer_one(
            names in proptest::collection::vec("[a-z]{1,40}", 3),
        ) {
            let run = RunNames { names: names.clone(), operation: "update".into(), id: "0".repeat(36) };
            let text = session_name(&run).to_string();
            let parts: Vec<&str> = text.split('-').take(3).collect();
            let longest = parts.iter().map(|part| part.len()).max().unwrap();
            for (part, name) in parts.iter().zip(&names) {
                prop_assert!(part.len() == name.len() || part.len() + 1 >= longest, "{text}");
            }
        }
    }
}
