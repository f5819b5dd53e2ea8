//! Files to install (rule A1).

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use pca_core::delivery::{DeliveredFile, DeliveredKey, Format, Options};
use pca_core::service::{Download, Downloaded};
use serde_json::json;

use crate::args::{DownloadArgs, Global};
use crate::exit::{Answer, Failure, Outcome, say};
use crate::gate::Gate;
use crate::shop::{Shop, judge};
use crate::{file, person, secret};

/// `pca download ID --format F --out DIR`
pub async fn download(global: &Global, args: DownloadArgs) -> Outcome {
    let mut gate = Gate::new();
    let subject = if args.id.starts_with("crt_") {
        Downloaded::Certificate(gate.certificate(&args.id, "A1"))
    } else {
        Downloaded::Ca(gate.ca(&args.id, "A1"))
    };
    let passphrase = args.export_passphrase_file.as_deref().map(secret::from_file).transpose()?;
    let options = Options { with_key: args.with_key, plain_key: args.plain_key, passphrase };
    let recipient = args.to.clone().unwrap_or_else(person::operating_system_user);
    let download = Download { subject, format: args.format, options, recipient, destroy_key: false };
    if !gate.is_open() || global.dry_run {
        return rehearse(global, gate, &download).await;
    }
    // Whatever could hinder writing is found before the download of a key is recorded.
    let names = expected(&args.id, &download);
    check(&args.out, &names)?;
    let is_key = download.options.with_key && matches!(download.subject, Downloaded::Certificate(_));
    let delivered = if is_key {
        let shop = Shop::working(global).await?;
        let prepared = match probe(&shop, &args.out, &download).await {
            Ok(()) => make_directory(&args.out),
            Err(failure) => Err(failure),
        };
        let delivered = match prepared {
            Ok(()) => shop.pca.download(&download, &shop.call).await.map_err(Failure::from),
            Err(failure) => Err(failure),
        };
        shop.close().await?;
        delivered
    } else {
        let shop = Shop::asking(global).await?;
        shop.pca.download(&download, &shop.call).await.map_err(Failure::from)
    };
    let delivered = delivered?;
    for warning in &delivered.warnings {
        say(&format!("warning: {warning}"));
    }
    let new = unwritten(&args.out, &delivered.files)?;
    make_directory(&args.out)?;
    let mut files = Vec::new();
    for delivered in new {
        let path = args.out.join(&delivered.path);
        if let Some(parent) = path.parent() {
            make_directory(parent)?;
        }
        let mode = if delivered.secret { 0o600 } else { 0o644 };
        file::create(&path, &delivered.contents, mode).map_err(|error| Failure::file("writing", &path, &error))?;
    }
    for delivered in &delivered.files {
        files.push(args.out.join(&delivered.path).display().to_string());
    }
    let key = match delivered.key {
        DeliveredKey::None => "none",
        DeliveredKey::Encrypted => "encrypted",
        _ => "plain",
    };
    let warnings: Vec<String> = delivered.warnings.iter().map(ToString::to_string).collect();
    Ok(Answer::new(json!({ "files": files, "key": key, "warnings": warnings }), files.join("\n")))
}

/// Tells what stands against a download, or what it would record; hands nothing out.
async fn rehearse(global: &Global, gate: Gate, download: &Download) -> Outcome {
    let shop = Shop::asking(global).await?;
    if download.options.with_key {
        let previewed = shop.pca.preview_download(download, &shop.call).await;
        return judge(gate, previewed).map(|preview| crate::output::dry_run(&preview));
    }
    let delivered = shop.pca.download(download, &shop.call).await;
    let delivered = judge(gate, delivered)?;
    let names: Vec<&str> = delivered.files.iter().map(|file| file.path.as_str()).collect();
    let text = format!("nothing is written; these files would be:\n  {}", names.join("\n  "));
    Ok(Answer::new(json!({ "dry_run": true, "events": [], "files": names }), text))
}

/// The files and directories that a download makes for itself alone.
fn expected(id: &str, download: &Download) -> Vec<String> {
    let format = download.format;
    let mut names = match format {
        Format::Pem => vec![format!("{id}.pem")],
        Format::Der => vec![format!("{id}.der")],
        Format::Pkcs7 => vec![format!("{id}.p7b")],
        Format::Pkcs12 => vec![format!("{id}.p12")],
        Format::Jks => vec![format!("{id}.jks")],
        package if package.is_package() => vec![format!("{id}-{package}")],
        _ => Vec::new(),
    };
    if download.options.with_key && (stands_beside(format) || format == Format::Pkcs8) {
        names.push(format!("{id}.key.pem"));
    }
    names
}

/// Whether the key of such a download is a file beside the certificates.
const fn stands_beside(format: Format) -> bool {
    matches!(format, Format::Pem | Format::Der | Format::Pkcs7)
}

/// Nothing is overwritten, and the directory can be written to or made; nothing is made yet.
fn check(directory: &Path, names: &[String]) -> Result<(), Failure> {
    for name in names {
        let path = directory.join(name);
        if std::fs::symlink_metadata(&path).is_ok() {
            return Err(there(&path));
        }
    }
    // What is there of the way to it shows whether the rest can be made.
    let there = directory.ancestors().find(|path| *path != Path::new("") && std::fs::symlink_metadata(path).is_ok());
    let there = there.unwrap_or(Path::new("."));
    let trial = there.join(format!(".pca-trial-{}", std::process::id()));
    let tried = file::create(&trial, b"", 0o600).and_then(|()| std::fs::remove_file(&trial));
    tried.map_err(|error| Failure::file("writing into", there, &error))
}

/// Looks whether the rules allow the download of a key, and with one without the key whether the files beside it are in
/// the way.
async fn probe(shop: &Shop, directory: &Path, download: &Download) -> Result<(), Failure> {
    shop.pca.preview_download(download, &shop.call).await?;
    if !stands_beside(download.format) {
        return Ok(());
    }
    let mut keyless = download.clone();
    keyless.options = Options::default();
    let delivered = shop.pca.download(&keyless, &shop.call).await?;
    unwritten(directory, &delivered.files).map(drop)
}

/// The files that are not there yet. One that is there with the same octets and no secret is left as it is, such as an
/// issuer's certificate that another download wrote; any other one is in the way.
fn unwritten<'a>(directory: &Path, files: &'a [DeliveredFile]) -> Result<Vec<&'a DeliveredFile>, Failure> {
    let mut new = Vec::new();
    for file in files {
        let path: PathBuf = directory.join(&file.path);
        match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => new.push(file),
            Ok(found) if !file.secret && found == **file.contents => {}
            Ok(_) => return Err(there(&path)),
            Err(error) => return Err(Failure::file("writing", &path, &error)),
        }
    }
    Ok(new)
}

fn there(path: &Path) -> Failure {
    Failure::trouble(
        "file",
        format!("{} is there already, and nothing is overwritten; choose another directory", path.display()),
    )
}

fn make_directory(directory: &Path) -> Result<(), Failure> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory);
    made.map_err(|error| Failure::file("making the directory", directory, &error))
}
