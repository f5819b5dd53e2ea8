//! The simulated disk keeps what the contract says, and nothing that it does not say.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::{make_directories, place, read_small, write_full};
use super::*;

fn file(image: &Image, name: &str) -> Option<Vec<u8>> {
    image.contents().find(|(found, _)| *found == name).map(|(_, octets)| octets.to_vec())
}

fn after_everything(disk: &SimDisk) -> impl Iterator<Item = Image> {
    let changes = disk.changes();
    (0..500).map(move |seed| disk.crashed(changes, seed))
}

#[test]
fn what_was_synced_is_there_after_every_crash() {
    let disk = SimDisk::default();
    make_directories(&disk, Path::new("/a/b")).unwrap();
    place(&disk, Path::new("/a/b"), "small", &[7; 2000]).unwrap();
    assert!(after_everything(&disk).all(|image| file(&image, "/a/b/small") == Some(vec![7; 2000])));
    assert_eq!(read_small(&disk, Path::new("/a/b/small"), 3000).unwrap(), Some(vec![7; 2000]));
}

#[test]
fn what_was_not_synced_is_there_whole_or_in_part_or_not() {
    let disk = SimDisk::default();
    let written = disk.open(Path::new("/file"), Mode::Create).unwrap();
    written.sync_all().unwrap();
    disk.sync_directory(Path::new("")).unwrap();
    write_full(written.as_ref(), &[7; 2000], 0).unwrap();
    let found: BTreeSet<Vec<u8>> = after_everything(&disk).map(|image| file(&image, "/file").unwrap()).collect();
    assert!(found.contains(&vec![7; 2000]) && found.contains(&Vec::new()) && found.contains(&vec![0; 2000]));
    let holes = |octets: &Vec<u8>| octets.len() == 2000 && octets[..512] == [0; 512] && octets[512..1024] == [7; 512];
    assert!(found.iter().any(holes), "a later piece without an earlier one");
    let torn = |octets: &Vec<u8>| octets.len() > 3 && octets[0] == 7 && octets[511.min(octets.len() - 1)] == 0;
    assert!(found.iter().any(torn), "a piece cut at an octet");
    assert!(found.iter().flatten().all(|octet| [0, 7].contains(octet)));
}

#[test]
fn names_come_and_go_with_the_directory_and_in_order() {
    let disk = SimDisk::default();
    disk.open(Path::new("/old"), Mode::Create).unwrap();
    disk.sync_directory(Path::new("")).unwrap();
    disk.remove(Path::new("/old")).unwrap();
    disk.open(Path::new("/new"), Mode::Create).unwrap();
    disk.rename(Path::new("/new"), Path::new("/newer")).unwrap();
    let found: BTreeSet<Vec<String>> =
        after_everything(&disk).map(|image| image.names.keys().map(|name| name.to_string()).collect()).collect();
    let expected = [&[][..], &["/new"], &["/newer"], &["/old"], &["/new", "/old"], &["/newer", "/old"]];
    assert_eq!(found, expected.map(|names| names.iter().map(|name| (*name).to_owned()).collect()).into());
    disk.sync_directory(Path::new("")).unwrap();
    assert!(after_everything(&disk).all(|image| image.names.keys().map(|name| &**name).eq(["/newer"])));
}

#[test]
fn what_a_failed_sync_gave_up_is_seen_but_not_saved_by_the_next_one_unless_written_again() {
    let disk = SimDisk::default();
    let written = disk.open(Path::new("/file"), Mode::Create).unwrap();
    disk.sync_directory(Path::new("")).unwrap();
    write_full(written.as_ref(), &[7; 2000], 0).unwrap();
    disk.fail(1, Fault::Full);
    written.sync_all().unwrap_err();
    written.sync_all().unwrap();
    assert_eq!(read_small(&disk, Path::new("/file"), 3000).unwrap(), Some(vec![7; 2000]));
    assert!(after_everything(&disk).any(|image| file(&image, "/file") != Some(vec![7; 2000])));
    write_full(written.as_ref(), &[7; 2000], 0).unwrap();
    written.sync_all().unwrap();
    assert!(after_everything(&disk).all(|image| file(&image, "/file") == Some(vec![7; 2000])));
}

#[test]
fn the_same_seed_leaves_the_same() {
    let disk = SimDisk::default();
    let written = disk.open(Path::new("/file"), Mode::Create).unwrap();
    write_full(written.as_ref(), &[7; 5000], 0).unwrap();
    let (first, again): (Vec<_>, Vec<_>) = (after_everything(&disk).collect(), after_everything(&disk).collect());
    assert_eq!(first, again);
}
