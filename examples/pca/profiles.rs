//! Profiles: what certificates are for.

use std::path::Path;

use pca_core::domain::BrokenRule;
use pca_core::domain::profile::AdoptProfile;
use pca_core::x509::{CommonNameRule, Profile, ProfileDefinition, ProfileJsonError, Revocation};
use serde_json::{Value, json};

use crate::args::Global;
use crate::exit::{Answer, Failure, Outcome};
use crate::gate::Gate;
use crate::shop::{Shop, carry_out};
use crate::{file, output};

/// The largest file that is read as a profile (rule G4).
const MAX_PROFILE: usize = 64 * 1024;

/// `pca profile list`
pub async fn list(global: &Global) -> Outcome {
    // What is built in can be told without a log.
    let adopted = if global.dir.join("log").is_dir() {
        let shop = Shop::asking(global).await?;
        shop.pca.question(|desk, _| Ok(desk.profiles()?.all().to_vec())).await?
    } else {
        Vec::new()
    };
    let built_in = Profile::ALL.map(Profile::definition);
    let all: Vec<&ProfileDefinition> = built_in.into_iter().chain(&adopted).collect();
    let rows = all.iter().map(|profile| {
        [profile.name.to_string(), purposes(profile), names(profile), validity(profile), profile.description.clone()]
    });
    let table = output::table(["profile", "purposes", "names", "days", "what for"], rows);
    let profiles = all.iter().map(|profile| as_json(profile)).collect::<Result<Vec<_>, _>>()?;
    Ok(Answer::new(json!({ "profiles": profiles, "built_in": Profile::ALL.map(Profile::name) }), table))
}

/// `pca profile add FILE`
pub async fn add(global: &Global, path: &Path) -> Outcome {
    let octets = file::limited(path, MAX_PROFILE)?;
    let no_profile =
        |error: &dyn std::fmt::Display| Failure::Usage(format!("{} is no profile: {error}", path.display()));
    let text = std::str::from_utf8(&octets).map_err(|error| no_profile(&error))?;
    let profile = ProfileDefinition::from_json(text).map_err(|error| match error {
        ProfileJsonError::Flaws(flaws) => Failure::Refused(flaws.iter().map(BrokenRule::from).collect()),
        other => no_profile(&other),
    })?;
    let json = as_json(&profile)?;
    let name = profile.name;
    let text = output::facts([
        ("adopted", name.to_string()),
        ("purposes", purposes(&profile)),
        ("names", names(&profile)),
        ("days", validity(&profile)),
    ]);
    let text = format!("{text}\nnext: pca issue profile {name} CA …");
    carry_out(global, Gate::new(), AdoptProfile { profile }, |_| Answer::new(json, text)).await
}

fn as_json(profile: &ProfileDefinition) -> Result<Value, Failure> {
    serde_json::to_value(profile).map_err(|error| Failure::trouble("store", error.to_string()))
}

fn purposes(profile: &ProfileDefinition) -> String {
    match profile.purpose_names() {
        names if names.is_empty() => "none".to_owned(),
        names => names.join(", "),
    }
}

fn names(profile: &ProfileDefinition) -> String {
    let rules = &profile.names;
    let kinds = [("DNS", rules.dns), ("IP", rules.ip), ("e-mail", rules.email), ("URI", rules.uri)];
    let mut words: Vec<String> = kinds
        .into_iter()
        .filter_map(|(kind, count)| {
            let count = count?;
            Some(match (count.least, count.most) {
                (0, 100) => kind.to_owned(),
                (least, most) if least == most => format!("{least} {kind}"),
                (least, 100) => format!("{kind} (at least {least})"),
                (least, most) => format!("{kind} ({least} to {most})"),
            })
        })
        .collect();
    match profile.subject.common_name {
        CommonNameRule::Required => words.insert(0, "CN".to_owned()),
        CommonNameRule::Forbidden => words.insert(0, "no CN".to_owned()),
        _ => {}
    }
    words.join(", ")
}

fn validity(profile: &ProfileDefinition) -> String {
    let validity = &profile.validity;
    let mut text = validity.default_days.to_string();
    if let Some(longest) = validity.longest_days {
        text.push_str(&format!(", at most {longest}"));
    }
    if profile.revocation == Revocation::NotAvailable {
        text.push_str(", no revocation");
    }
    text
}
