//! Logs that go elsewhere.

use std::path::PathBuf;

use clap::Args;

#[derive(Args, Debug)]
#[command(after_help = "\
DIR/log becomes a log with the same commits and digests; it is checked after copying. Keys are never copied: keep
backups of the directory's keys apart, since each of them is keys.
Restore the log by `--dir DIR`, or by moving DIR/log; bring the keys back beside it, and run `pca keys sweep`.
Examples:
  pca backup /mnt/backup/pca
  pca verify --dir /mnt/backup/pca")]
pub struct BackupArgs {
    /// Where to; empty, or a backup of this log
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
The file names the enterprise, holders and actors; it holds no key. It is for its owner only (0600), and nothing is
overwritten.
Examples:
  pca export log.jsonl
  pca export - | gzip > log.jsonl.gz
  pca export until-noon.jsonl --as-of 2030-01-01T12:00:00Z")]
pub struct ExportArgs {
    /// Where to; `-` is standard output, and then nothing else is printed there
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Args, Debug)]
#[command(after_help = "\
A directory that has a beginning of that log already gets the rest, so that an interrupted import goes on.
Keys are not in the file: bring a backup of the keys back beside the log.
Examples:
  pca import log.jsonl --dir restored
  gunzip < log.jsonl.gz | pca import - --dir restored
  pca import log.jsonl --dry-run      # only checks it")]
pub struct ImportArgs {
    /// What `pca export` wrote; `-` is standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
