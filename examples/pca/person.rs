//! Who calls: the operating system's user, whatever the environment says.

use std::os::unix::fs::MetadataExt as _;

/// The name of the user whose process this is; `uid-…` for one without a name.
pub fn operating_system_user() -> String {
    // `/proc/self` belongs to the effective user of the process; environment variables could say anything.
    let uid = std::fs::metadata("/proc/self").map(|process| process.uid()).ok();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    uid.and_then(|uid| name_in(&passwd, uid))
        .or_else(ask_id)
        .or(uid.map(|uid| format!("uid-{uid}")))
        .unwrap_or_else(|| "unknown".into())
}

fn name_in(passwd: &str, uid: u32) -> Option<String> {
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

/// For users that only a directory service knows, and for systems without `/proc`.
fn ask_id() -> Option<String> {
    let output = std::process::Command::new("/usr/bin/id").arg("-un").output().ok()?;
    let name = String::from_utf8(output.stdout).ok()?;
    let name = name.trim();
    (output.status.success() && !name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_by_its_number() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\nada:x:1000:1000::/home/ada:/bin/sh\nbroken\n:x:7:7\n";
        assert_eq!(name_in(passwd, 1000).as_deref(), Some("ada"));
        assert_eq!(name_in(passwd, 0).as_deref(), Some("root"));
        assert_eq!(name_in(passwd, 7), None);
        assert_eq!(name_in(passwd, 12), None);
    }
}
