//! File systems of their own for a test: in memory, on a loop device, read-only. All of it is taken away when dropped, also
//! by a test that fails.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{has, say};

/// A mounted file system.
pub struct Mount {
    at: PathBuf,
    device: Option<String>,
    mounted: bool,
    /// Holds the mount point and the image; removed after the rest.
    _home: tempfile::TempDir,
}

fn sh(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(args).output().map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(format!("{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}

impl Mount {
    fn new(make: impl FnOnce(&Path, &Path) -> Result<Option<String>, String>) -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let at = home.path().canonicalize().unwrap().join("mounted");
        std::fs::create_dir(&at).unwrap();
        match make(home.path(), &at) {
            Ok(device) => Some(Self { at, device, mounted: true, _home: home }),
            Err(why) => {
                say(&format!("SKIPPED: no file system can be mounted here: {why}"));
                None
            }
        }
    }

    /// One in memory that holds so much; nothing, aloud, where that is not permitted.
    pub fn memory(size: &str) -> Option<Self> {
        Self::new(|_, at| {
            sh("mount", &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", at.to_str().unwrap()]).map(|_| None)
        })
    }

    /// A directory seen through a mount that cannot be written to.
    pub fn read_only(directory: &Path) -> Option<Self> {
        let directory = directory.to_str().unwrap().to_owned();
        let mount = Self::new(move |_, at| sh("mount", &["--bind", &directory, at.to_str().unwrap()]).map(|_| None))?;
        sh("mount", &["-o", "remount,ro,bind", mount.at.to_str().unwrap()]).unwrap();
        Some(mount)
    }

    /// A disk with `ext4` or `xfs`, whose power can be cut; nothing, aloud, where that is not possible.
    pub fn disk(kind: &str) -> Option<Self> {
        if !has(&format!("mkfs.{kind}")) || !has("xfs_io") {
            return None;
        }
        Self::new(|home, at| {
            let image = home.join("image");
            let image_path = image.to_str().unwrap();
            std::fs::File::create(&image).unwrap().set_len(320 << 20).unwrap();
            sh(&format!("mkfs.{kind}"), &["-q", image_path])?;
            let device = sh("losetup", &["-f", "--show", image_path])?;
            if let Err(why) = sh("mount", &[&device, at.to_str().unwrap()]) {
                let _ = sh("losetup", &["-d", &device]);
                return Err(why);
            }
            Ok(Some(device))
        })
    }

    pub fn path(&self) -> &Path {
        &self.at
    }

    /// From here on nothing reaches the disk, not even the file system's own journal (`FS_IOC_SHUTDOWN` without flush).
    pub fn cut(&self) {
        sh("xfs_io", &["-x", "-c", "shutdown", self.at.to_str().unwrap()]).unwrap();
    }

    /// Mounts what the disk has.
    pub fn power_on(&mut self) {
        self.unmount().unwrap();
        sh("mount", &[self.device.as_ref().unwrap(), self.at.to_str().unwrap()]).unwrap();
        self.mounted = true;
    }

    fn unmount(&mut self) -> Result<(), String> {
        let at = self.at.to_str().unwrap().to_owned();
        // A process that was killed may take a moment to go.
        let mut last = Ok(());
        for _ in 0..200 {
            last = sh("umount", &[&at]).map(drop);
            if last.is_ok() {
                self.mounted = false;
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        last
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if self.mounted && self.unmount().is_err() {
            let _ = sh("umount", &["-l", self.at.to_str().unwrap_or_default()]);
        }
        if let Some(device) = &self.device {
            let _ = sh("losetup", &["-d", device]);
        }
    }
}

/// A process that is killed when dropped.
pub struct Child(pub std::process::Child);

impl Child {
    pub fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
