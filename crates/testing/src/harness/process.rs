use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine. No test waits for it to pass: it only ends a test that
/// hangs.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// The program itself, as a separate process. All its output is kept; it is killed when dropped.
pub struct Process {
    child: Child,
    stdout: Arc<Output>,
    stderr: Arc<Output>,
}

/// How a process ended.
#[derive(Debug)]
pub struct Exited {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

/// The output of one pipe, and a way to wait for more.
#[derive(Default)]
struct Output {
    so_far: Mutex<SoFar>,
    changed: Condvar,
}

#[derive(Default)]
struct SoFar {
    bytes: Vec<u8>,
    ended: bool,
}

impl Process {
    /// Starts the program in `folder`, with `environment` as its whole environment.
    pub fn start(folder: &Path, arguments: &[&str], environment: &[(String, String)]) -> Self {
        let mut command = Command::new(super::program());
        command.args(arguments).current_dir(folder).env_clear().envs(environment.iter().cloned());
        Self::spawn(command)
    }

    /// Starts any other program.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = Output::of(child.stdout.take().expect("it is piped"));
        let stderr = Output::of(child.stderr.take().expect("it is piped"));
        Self { child, stdout, stderr }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends the signal of this name.
    pub fn signal(&self, name: &str) {
        // Every system has the shell's own `kill`, and it needs no unsafe code.
        let command = format!("kill -{name} {}", self.id());
        assert!(Command::new("sh").args(["-c", &command]).status().unwrap().success(), "{command}");
    }

    /// Pauses the process, as if its machine were suspended, until it gets the signal CONT. The signal takes
    /// effect asynchronously: this returns once every thread has stopped.
    #[track_caller]
    pub fn pause(&self) {
        self.signal("STOP");
        let deadline = Instant::now() + DEADLINE;
        while !self.is_paused() {
            assert!(Instant::now() < deadline, "it does not stop");
            std::thread::yield_now();
        }
    }

    /// By Linux's list of its threads: `ID (NAME) STATE …`.
    fn is_paused(&self) -> bool {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.id())).unwrap();
        threads.flatten().all(|thread| {
            let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
        })
    }

    /// Waits for the first line on standard error that contains `text`.
    #[track_caller]
    pub fn log_line(&self, text: &str) -> String {
        let found = self.stderr.line(text);
        found.unwrap_or_else(|| panic!("`{text}` never came.\n{}", self.printed()))
    }

    /// The same on standard output.
    #[track_caller]
    pub fn stdout_line(&self, text: &str) -> String {
        let found = self.stdout.line(text);
        found.unwrap_or_else(|| panic!("`{text}` never came.\n{}", self.printed()))
    }

    /// Waits for standard output up to and including `text`.
    #[track_caller]
    pub fn stdout_until(&self, text: &str) -> String {
        let found = self.stdout.wait(|so_far| {
            let printed = String::from_utf8_lossy(&so_far.bytes);
            printed.find(text).map(|at| printed[..at + text.len()].to_owned())
        });
        found.unwrap_or_else(|| panic!("`{text}` never came.\n{}", self.printed()))
    }

    /// Waits until the process exits by itself.
    #[track_caller]
    pub fn wait(mut self) -> Exited {
        for output in [&self.stdout, &self.stderr] {
            assert!(
                output.wait(|so_far| so_far.ended.then_some(())).is_some(),
                "it does not end.\n{}",
                self.printed()
            );
        }
        let code = self.child.wait().unwrap().code();
        Exited { code, stdout: self.stdout.text(), stderr: self.stderr.text() }
    }

    fn printed(&self) -> String {
        format!("stdout:\n{}\nstderr:\n{}", self.stdout.text(), self.stderr.text())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Exited {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// The only line of output of a refused start.
    #[track_caller]
    pub fn refusal(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{self:?}");
        assert_eq!(self.stdout, "");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        self.stderr.trim_end().strip_prefix("runmint: ").expect("it says who speaks")
    }
}

impl Output {
    fn of(mut pipe: impl Read + Send + 'static) -> Arc<Self> {
        let output = Arc::new(Self::default());
        let shared = Arc::clone(&output);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let read = pipe.read(&mut chunk).unwrap_or(0);
                let mut so_far = shared.so_far.lock().unwrap();
                so_far.bytes.extend_from_slice(&chunk[..read]);
                so_far.ended = read == 0;
                shared.changed.notify_all();
                if read == 0 {
                    return;
                }
            }
        });
        output
    }

    /// The first whole line with this text, as soon as it appears.
    fn line(&self, text: &str) -> Option<String> {
        self.wait(|so_far| {
            let printed = String::from_utf8_lossy(&so_far.bytes);
            let (whole, _) = printed.rsplit_once('\n')?;
            whole.lines().find(|line| line.contains(text)).map(str::to_owned)
        })
    }

    /// The result of `look`, as soon as there is one; `None` if the pipe ended or the deadline passed first.
    fn wait<T>(&self, look: impl Fn(&SoFar) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + DEADLINE;
        let mut so_far = self.so_far.lock().unwrap();
        loop {
            if let Some(found) = look(&so_far) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if so_far.ended || left.is_zero() {
                return None;
            }
            so_far = self.changed.wait_timeout(so_far, left).unwrap().0;
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.so_far.lock().unwrap().bytes).into_owned()
    }
}
