//! Files with a run's token, for clients that read the file again for each session.

use std::sync::Arc;

use super::renewal::{Lease, Pace, Renewable, Renewed, WANTED, keep_renewing};
use super::run_directory::RunDirectory;
use crate::cli::clouds::handover::masking::Masking;
use crate::cli::clouds::handover::tokens::{NoToken, RunToken, TokenSource};
use crate::cli::terminal::failure::Failure;

pub(super) struct TokenFile {
    pub(super) name: &'static str,
    pub(super) audience: String,
}

/// A file, and the token that is in it.
pub(super) struct Written {
    file: TokenFile,
    lease: Lease,
    /// The token's `exp`, by the issuer's clock.
    exp: i64,
}

pub(super) struct TokenFiles {
    pub(super) directory: Arc<RunDirectory>,
    pub(super) tokens: Arc<TokenSource>,
    pub(super) masking: Arc<Masking>,
}

impl TokenFiles {
    /// Writes the first token and also returns it.
    pub(super) async fn begin(&self, file: TokenFile) -> Result<(Written, RunToken), Failure> {
        let token = self.tokens.first_token(&file.audience, Some(WANTED)).await?;
        self.write(&file, &token)
            .map_err(|error| Failure::failed(format!("could not write {}: {error}", file.name)))?;
        let written = Written { file, lease: lease(&token), exp: token.exp };
        Ok((written, token))
    }

    /// Replaces the token before it expires, until the run ends.
    pub(super) async fn keep(self: Arc<Self>, written: Written, pace: &impl Pace) {
        let Written { file, lease, exp } = written;
        keep_renewing(Kept { files: self, file, lease, exp }, lease, pace).await;
    }

    fn write(&self, file: &TokenFile, token: &RunToken) -> std::io::Result<()> {
        self.masking.learn(&token.text);
        self.directory.write(file.name, &token.text)
    }
}

struct Kept {
    files: Arc<TokenFiles>,
    file: TokenFile,
    lease: Lease,
    exp: i64,
}

impl Renewable for Kept {
    fn name(&self) -> &str {
        self.file.name
    }

    async fn renew(&mut self) -> Renewed {
        let token = match self.files.tokens.long_token(&self.file.audience, WANTED).await {
            Ok(token) => token,
            Err(NoToken::Ended(why)) => {
                return Renewed::Last(format!(
                    "no longer renewed; the current token is valid until it expires: {why}"
                ));
            }
            Err(why) => return Renewed::Failed(why.text().to_owned()),
        };
        if let Err(error) = self.files.write(&self.file, &token) {
            return Renewed::Failed(format!("could not write it: {error}"));
        }
        let next = lease(&token);
        let is_last = is_last((self.lease, self.exp), (next, token.exp));
        (self.lease, self.exp) = (next, token.exp);
        if is_last {
            return Renewed::Last("no longer renewed: the run ends when its token expires".to_owned());
        }
        Renewed::Until(next)
    }

    fn say(&self, text: &str) {
        self.files.masking.say(text);
    }
}

/// No token outlives its run: a token with a shorter lifetime that ends no later than its predecessor is the last. (Two
/// tokens that live for seconds may end in the same second.)
fn is_last((before, before_exp): (Lease, i64), (next, next_exp): (Lease, i64)) -> bool {
    next_exp <= before_exp && next.lifetime < before.lifetime
}

fn lease(token: &RunToken) -> Lease {
    Lease { from: token.received_at, lifetime: token.lifetime }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    #[test]
    fn the_last_token_is_the_one_cut_short_by_the_run() {
        let token = |from: i64, lifetime: i64| {
            let from_time = Timestamp::from_second(from).unwrap();
            (Lease { from: from_time, lifetime: SignedDuration::from_secs(lifetime) }, from + lifetime)
        };
        assert!(!is_last(token(0, 3600), token(2100, 3600)));
        assert!(!is_last(token(0, 3600), token(2100, 1800)), "cut short, and yet newer");
        assert!(is_last(token(2100, 1800), token(3000, 900)));
        assert!(!is_last(token(0, 2), token(0, 2)), "within the same second");
    }
}
