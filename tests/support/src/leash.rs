//! Ends a process together with this one, however this one ends.

use std::process::{Child, Command, Stdio};

/// While this lives, a process is killed if the test process ends without cleaning up, as after SIGKILL.
///
/// A shell waits at a pipe whose other end only the test process holds.
pub(crate) struct Leash {
    watcher: Child,
}

impl Leash {
    pub(crate) fn on(process: &Child) -> Self {
        let watcher = Command::new("bash")
            .args(["-c", r#"read -r; kill -KILL "$0""#, &process.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .own_group()
            .spawn()
            .unwrap_or_else(|error| panic!("bash does not start: {error}"));
        Self { watcher }
    }
}

/// The process may have ended, and its id may belong to another process. So the watcher is ended first, and kills
/// nothing.
impl Drop for Leash {
    fn drop(&mut self) {
        let _ = self.watcher.kill();
        let _ = self.watcher.wait();
    }
}

/// Commands that Ctrl-C in the terminal does not reach. They end with this process.
pub(crate) trait OwnGroup {
    fn own_group(&mut self) -> &mut Self;
}

impl OwnGroup for Command {
    fn own_group(&mut self) -> &mut Self {
        std::os::unix::process::CommandExt::process_group(self, 0)
    }
}
