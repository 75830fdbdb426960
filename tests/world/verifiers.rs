//! Third-party libraries, each in a process that lives for a whole test, so that its cache behaves as in
//! production.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use tokio::sync::oneshot;

/// A verifier's answer: `Err` holds the reason for a refusal.
pub(crate) type Verdict = Result<(), String>;

pub(crate) struct Verifier {
    pub(crate) name: &'static str,
    child: Child,
    questions: mpsc::Sender<String>,
    waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Verdict>>>>,
    next: AtomicU64,
}

/// Starts all three, which fetch keys from `issuer`, in a world that runs `divisor` times as fast. All are
/// ready when this returns.
pub(crate) fn start_all(issuer: &str, audience: &str, divisor: u32) -> Vec<Verifier> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let installed = |path: &str| {
        let path = root.join(path);
        assert!(path.exists(), "the test clients are not installed: run scripts/install-clients");
        path
    };
    let divisor = divisor.to_string();
    let mut jose = Command::new("node");
    jose.arg(installed("tests/clients/node/verify.mjs")).args([issuer, audience, &divisor]);
    let mut pyjwt = Command::new(installed("target/clients/venv/bin/python"));
    pyjwt.arg(root.join("tests/clients/python/verify.py")).args([issuer, audience, &divisor]);
    let mut go_oidc = Command::new(installed("target/clients/go/verify"));
    go_oidc.args([issuer, audience]);
    let started =
        [("jose", jose), ("PyJWT", pyjwt), ("go-oidc", go_oidc)].map(|(name, command)| spawn(name, command));
    started
        .into_iter()
        .map(|(verifier, ready)| ready.recv().map(|()| verifier).expect("it says ready"))
        .collect()
}

fn spawn(name: &'static str, mut command: Command) -> (Verifier, mpsc::Receiver<()>) {
    // The issuer is on this machine, which a proxy to the outside cannot reach.
    command.env("NO_PROXY", "*").env("no_proxy", "*").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child =
        command.spawn().expect("the client starts; scripts/install-clients installs what it needs");
    let mut stdin = child.stdin.take().expect("it is piped");
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let (questions, asked) = mpsc::channel::<String>();
    std::thread::spawn(move || {
        // Ends when the verifier is dropped, or when the process is gone.
        while asked.recv().is_ok_and(|line| stdin.write_all(line.as_bytes()).is_ok()) {}
    });
    let waiting: Arc<Mutex<HashMap<u64, oneshot::Sender<Verdict>>>> = Arc::default();
    let answered = Arc::clone(&waiting);
    let (ready, is_ready) = mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines().map_while(Result::ok) {
            if line == "ready" {
                let _ = ready.send(());
                continue;
            }
            let (number, verdict) = parse(&line).unwrap_or_else(|| panic!("{name} says `{line}`"));
            if let Some(asker) = answered.lock().unwrap().remove(&number) {
                let _ = asker.send(verdict);
            }
        }
        // Wakes every waiting caller: no answer will come.
        answered.lock().unwrap().clear();
    });
    (Verifier { name, child, questions, waiting, next: AtomicU64::new(0) }, is_ready)
}

/// `12 ok` or `12 refused REASON`.
fn parse(line: &str) -> Option<(u64, Verdict)> {
    let (number, said) = line.split_once(' ')?;
    let verdict = match said.strip_prefix("refused ") {
        Some(why) => Err(why.to_owned()),
        None => (said == "ok").then_some(Ok(()))?,
    };
    Some((number.parse().ok()?, verdict))
}

impl Verifier {
    pub(crate) async fn verify(&self, token: &str) -> Verdict {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (asker, answer) = oneshot::channel();
        self.waiting.lock().unwrap().insert(number, asker);
        let _ = self.questions.send(format!("{number} {token}\n"));
        answer.await.unwrap_or_else(|_| Err("the verifier is gone".to_owned()))
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
