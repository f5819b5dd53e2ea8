//! Certificate authorities: enabling, addresses, pausing, CRLs.

use std::path::Path;

use pca_core::domain::ca::{
    ConfigureCa, DisableCa, EnableByCreating, EnableByUpload, EnabledCa, Lifetime, PermittedProfiles, ReenableCa,
    VerifiedCrl,
};
use pca_core::domain::event::Addresses;
use pca_core::domain::{BrokenRule, CaId, Rule};
use pca_core::keys::PrivateKey;
use pca_core::x509::{ParsedCrl, SubjectFields, check_upload, to_pem};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::args::{AddressArgs, CaArgs, EnableArgs, Global, PermitArgs, SubjectArgs, UploadArgs};
use crate::exit::{Answer, Failure, Outcome};
use crate::gate::Gate;
use crate::shop::{Shop, carry_out};
use crate::{file, output, renewals, secret};

const C3: Rule = Rule::new("C3");
const C6: Rule = Rule::new("C6");

/// `pca enable CA …`
pub async fn enable(global: &Global, args: EnableArgs) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca, "C1");
    let addresses = addresses(&args.addresses);
    if let Some(out) = &args.request_csr {
        return renewals::request(global, gate, ca, addresses, &args, out).await;
    }
    if let Some(path) = &args.certificate {
        return renewals::certificate(global, gate, ca, addresses, &args.upload.accept, path).await;
    }
    match &args.upload {
        UploadArgs { upload_certificate: Some(certificate), upload_key: Some(key), .. } => {
            upload(global, gate, ca, addresses, &args.upload, certificate, key).await
        }
        _ => create(global, gate, ca, addresses, &args).await,
    }
}

async fn create(global: &Global, mut gate: Gate, ca: CaId, addresses: Addresses, args: &EnableArgs) -> Outcome {
    let years = args.years.as_ref().map(|years| Lifetime::Years(gate.small(years, "years of validity", "C5")));
    let days = args.days.as_ref().map(|days| Lifetime::Days(gate.small(days, "days of validity", "C5")));
    let path_length = args.path_len.as_ref().map(|length| {
        let length = gate.small(length, "as a path length", "C6");
        u8::try_from(length).unwrap_or_else(|_| {
            let text =
                format!("a path length of {length} cannot be had; none, or 1 to 255 for a root, 0 for an intermediate");
            gate.refuse(BrokenRule::new(C6, "path-length", text));
            1
        })
    });
    let command = EnableByCreating {
        ca,
        subject: subject(&args.subject),
        algorithm: gate.algorithm(args.algorithm.as_ref()),
        lifetime: years.or(days),
        clamp: args.clamp,
        path_length,
        addresses,
        constraints: args.constraints.request(),
    };
    carry_out(global, gate, command, |enabled| answer(&enabled)).await
}

async fn upload(
    global: &Global,
    mut gate: Gate,
    ca: CaId,
    addresses: Addresses,
    args: &UploadArgs,
    certificate: &Path,
    key: &Path,
) -> Outcome {
    let certificate = file::limited(certificate, pca_core::x509::MAX_PEM)?;
    let key = zeroize::Zeroizing::new(file::limited(key, pca_core::keys::MAX_KEY_FILE)?);
    let passphrase = args.upload_passphrase_file.as_deref().map(secret::from_file).transpose()?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.expose_secret().as_bytes());
    let crl = match &args.upload_crl {
        Some(path) => Some(file::limited(path, pca_core::x509::MAX_CRL)?),
        None => None,
    };
    let upload = match check_upload(&certificate, &key, passphrase) {
        Ok(upload) => upload,
        Err(error) => {
            // Nothing can be asked of the rules without certificate and key.
            if let Some(refusal) = EnableByUpload::unreadable(&error) {
                refusal.broken().iter().for_each(|broken| gate.refuse(broken.clone()));
            }
            if let Some(Err(broken)) = crl.map(|crl| read_crl(&crl)) {
                gate.refuse(broken);
            }
            return Err(Failure::Refused(gate.reasons(&[])));
        }
    };
    let carried_crl = crl.and_then(|crl| match carried(&crl, upload.private_key()) {
        Ok(crl) => Some(crl),
        Err(broken) => {
            gate.refuse(broken);
            None
        }
    });
    let command = EnableByUpload { ca, upload, accepted: args.accept.clone(), addresses, carried_crl };
    carry_out(global, gate, command, |enabled| answer(&enabled)).await
}

fn read_crl(octets: &[u8]) -> Result<ParsedCrl, BrokenRule> {
    ParsedCrl::from_pem_or_der(octets).map_err(|error| {
        let rule = Rule::new(error.rule());
        BrokenRule::new(rule, "crl-unreadable", format!("the CRL cannot be carried over: {error}"))
    })
}

fn carried(octets: &[u8], key: &PrivateKey) -> Result<VerifiedCrl, BrokenRule> {
    VerifiedCrl::verify(read_crl(octets)?, key.public_key())
        .map_err(|error| BrokenRule::new(C3, "crl-signature", format!("the CRL cannot be carried over: {error}")))
}

/// What enabling answers.
pub fn answer(enabled: &EnabledCa) -> Answer {
    let (ca, pem) = (&enabled.ca, to_pem("CERTIFICATE", enabled.certificate.as_bytes()));
    let algorithm = enabled.algorithm.map(|algorithm| algorithm.name());
    let json = json!({
        "ca": ca,
        "certificate": enabled.id.to_string(),
        "serial": enabled.id.serial().to_string(),
        "generation": enabled.generation,
        "algorithm": algorithm,
        "not_before": enabled.not_before.to_string(),
        "not_after": enabled.not_after.to_string(),
        "warnings": enabled.warnings,
        "certificate_pem": pem,
    });
    let facts = [
        ("enabled", ca.to_string()),
        ("algorithm", algorithm.unwrap_or("RSA of an unusual size").to_owned()),
        ("valid", format!("{} to {}", enabled.not_before, enabled.not_after)),
        ("warnings", enabled.warnings.join(", ")),
    ];
    Answer::new(json, format!("{}\n{pem}", output::facts(facts)))
}

/// A subject as it is asked for.
pub fn subject(args: &SubjectArgs) -> SubjectFields {
    let SubjectArgs { cn, o, ou, c, st, l } = args.clone();
    let mut fields = SubjectFields::default();
    fields.common_name = cn;
    fields.organization = o;
    fields.organizational_unit = ou;
    fields.country = c;
    fields.state = st;
    fields.locality = l;
    fields
}

/// Addresses as they are asked for; an empty one is none.
fn addresses(args: &AddressArgs) -> Addresses {
    let given = |url: &Option<String>| url.clone().filter(|url| !url.is_empty());
    Addresses { crl_url: given(&args.crl_url), ocsp_url: given(&args.ocsp_url), issuer_url: given(&args.issuer_url) }
}

/// `pca configure CA …`
pub async fn configure(global: &Global, ca: CaArgs, args: AddressArgs, permit: PermitArgs) -> Outcome {
    let no_address = args.crl_url.is_none() && args.ocsp_url.is_none() && args.issuer_url.is_none();
    if no_address && permit.profile.is_empty() && !permit.all_profiles {
        let text = "nothing to configure: give --crl-url, --ocsp-url, --issuer-url, --profile or --all-profiles";
        return Err(Failure::Usage(text.into()));
    }
    let mut gate = Gate::new();
    let ca = gate.ca(&ca.ca, "C1");
    let shop = Shop::asking(global).await?;
    let mut addresses = shop.pca.question(|desk, _| Ok(desk.ca(&ca)?.addresses().clone())).await?;
    drop(shop);
    let change = |address: &mut Option<String>, url: Option<String>| {
        if let Some(url) = url {
            *address = Some(url).filter(|url| !url.is_empty());
        }
    };
    change(&mut addresses.crl_url, args.crl_url);
    change(&mut addresses.ocsp_url, args.ocsp_url);
    change(&mut addresses.issuer_url, args.issuer_url);
    let names: Vec<_> = permit.profile.iter().map(|name| gate.profile(name)).collect();
    let profiles = match (permit.all_profiles, permit.profile.is_empty()) {
        (true, _) => Some(PermittedProfiles::All),
        (false, true) => None,
        (false, false) => Some(PermittedProfiles::Only(names)),
    };
    carry_out(global, gate, ConfigureCa { ca, addresses, profiles }, |configured| {
        let (ca, addresses) = (&configured.ca, &configured.addresses);
        let permitted = match &configured.profiles {
            Some(PermittedProfiles::Only(names)) => names.iter().map(ToString::to_string).collect(),
            Some(_) => vec!["all".to_owned()],
            None => Vec::new(),
        };
        let shown = |url: &Option<String>| url.clone().unwrap_or_else(|| "none".into());
        Answer::new(
            json!({
                "ca": ca,
                "crl_url": addresses.crl_url,
                "ocsp_url": addresses.ocsp_url,
                "issuer_url": addresses.issuer_url,
                "profiles": configured.profiles.as_ref().map(|_| &permitted),
            }),
            output::facts([
                ("certificates of", ca.to_string()),
                ("CRL", shown(&addresses.crl_url)),
                ("OCSP", shown(&addresses.ocsp_url)),
                ("issuer", shown(&addresses.issuer_url)),
                ("profiles", if permitted.is_empty() { "as before".to_owned() } else { permitted.join(", ") }),
            ]),
        )
    })
    .await
}

/// `pca disable CA`
pub async fn disable(global: &Global, args: CaArgs) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca, "C10");
    carry_out(global, gate, DisableCa { ca }, |disabled| {
        let ca = &disabled.ca;
        let text = format!("{ca} is disabled: it issues nothing until `pca reenable {ca}`; CRLs go on");
        Answer::new(json!({ "ca": ca, "state": "disabled" }), text)
    })
    .await
}

/// `pca reenable CA`
pub async fn reenable(global: &Global, args: CaArgs) -> Outcome {
    let mut gate = Gate::new();
    let ca = gate.ca(&args.ca, "C10");
    carry_out(global, gate, ReenableCa { ca }, |reenabled| {
        let ca = &reenabled.ca;
        Answer::new(json!({ "ca": ca, "state": "enabled" }), format!("{ca} is enabled: it issues again"))
    })
    .await
}
