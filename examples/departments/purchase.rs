//! Buying, enabling, and giving out quota.

use pca_core::domain::ca::{EnableByCreating, Lifetime};
use pca_core::domain::event::Addresses;
use pca_core::domain::order::{BuyIntermediate, BuyQuota, BuyRoot, ServiceTerm};
use pca_core::domain::quota::AssignQuota;
use pca_core::domain::{CaId, OrderId};
use pca_core::keys::{Algorithm, Family};
use pca_core::x509::SubjectFields;

use crate::Outcome;
use crate::platform::Platform;
use crate::voice::{chapter, done, note, refused};

/// What was bought.
pub(crate) struct Shop {
    pub(crate) root: CaId,
    pub(crate) oa: CaId,
    pub(crate) hr: CaId,
    pub(crate) root_order: OrderId,
    pub(crate) quota_order: OrderId,
}

/// Buys a root, two intermediates and quota; enables them all; assigns the quota.
pub(crate) fn buy_and_enable(platform: &Platform) -> Outcome<Shop> {
    chapter(2, "It buys a private root CA");
    let (pca, it) = (&platform.pca, &platform.it);
    let order = BuyRoot { family: Family::Ecc, term: ServiceTerm::years(5), paid: "760.00USD".parse()? };
    let keyed = it.clone().because("certificates for our departments").idempotent("purchase order 17");
    let bought = pca.execute(order.clone(), &keyed)?.answer;
    let (root_order, root, oa) = (bought.order, bought.root, bought.intermediate);
    done(&format!("paid 760.00USD, order {root_order}: the root {root}, the intermediate {oa} and 10 units of quota"));
    let again = pca.execute(order.clone(), &keyed)?;
    if !again.repeated || again.answer.root != root {
        return Err("the order was placed twice".into());
    }
    done("sent the same order again under the same key, as after a lost answer: nothing was bought twice");
    let other = BuyRoot { term: ServiceTerm::years(1), ..order };
    refused("another order under that key", pca.execute(other, &keyed), &["O6"])?;
    let second = BuyIntermediate { root: root.clone(), term: ServiceTerm::years(5), paid: "200.00USD".parse()? };
    refused("a second intermediate before the root is enabled", pca.execute(second.clone(), it), &["O2"])?;

    chapter(3, "It enables the root, then an intermediate for each department");
    let enable_oa = EnableByCreating { addresses: crl_at("oa"), ..named(&oa, "OA", "Example OA Certificates") };
    refused("the intermediate before its root", pca.execute(enable_oa.clone(), it), &["C1"])?;
    let of_rsa = EnableByCreating { algorithm: Some(Algorithm::Rsa3072), ..named(&root, "IT", "Example Root") };
    refused("a key of another family than was bought", pca.execute(of_rsa, it), &["O3"])?;
    let of_p384 = EnableByCreating { algorithm: Some(Algorithm::EcdsaP384), ..named(&root, "IT", "Example Root") };
    let enabled = pca.execute(of_p384, it)?.answer;
    done(&format!("the root {root} is enabled until {}, its key made and kept here", enabled.not_after));
    let too_long = EnableByCreating { lifetime: Some(Lifetime::Years(20)), ..enable_oa.clone() };
    refused("an intermediate that outlives its root", pca.execute(too_long, it), &["C5"])?;
    let enabled = pca.execute(enable_oa, it)?.answer;
    done(&format!("OA: {oa} is enabled until {}", enabled.not_after));
    let hr = pca.execute(second, it)?.answer.intermediate;
    done(&format!("bought a second intermediate for 200.00USD: {hr}"));
    let same_name = named(&hr, "OA", "Example OA Certificates");
    refused("HR under OA's name", pca.execute(same_name, it), &["C4"])?;
    let enable_hr = EnableByCreating { addresses: crl_at("hr"), ..named(&hr, "HR", "Example HR Certificates") };
    let enabled = pca.execute(enable_hr, it)?.answer;
    done(&format!("HR: {hr} is enabled until {}", enabled.not_after));

    chapter(4, "It buys quota and assigns it");
    let bought = pca.execute(BuyQuota { root: root.clone(), count: 5, paid: "25.00USD".parse()? }, it)?.answer;
    done(&format!("5 units for 25.00USD: the pool of {root} holds 15 now"));
    let assign = |ca: &CaId, units| AssignQuota { ca: ca.clone(), units };
    refused("99 units for OA", pca.execute(assign(&oa, 99), it), &["Q1"])?;
    refused("quota for the root itself", pca.execute(assign(&root, 1), it), &["Q1"])?;
    for (name, ca, units) in [("OA", &oa, 9), ("HR", &hr, 3)] {
        let assigned = pca.execute(assign(ca, units), it)?.answer;
        done(&format!("{} units for {name}, {} left in the pool", assigned.assigned, assigned.remaining));
    }
    note("Each certificate will consume one, from the lot that expires first, then from the older one.");
    Ok(Shop { root, oa, hr, root_order, quota_order: bought.order })
}

fn named(ca: &CaId, unit: &str, common_name: &str) -> EnableByCreating {
    let subject = SubjectFields {
        country: Some("DE".into()),
        organization: Some("Example Corporation".into()),
        organizational_unit: Some(unit.into()),
        ..SubjectFields::common(common_name)
    };
    EnableByCreating { subject, ..EnableByCreating::named(ca.clone(), common_name) }
}

/// Where relying parties find the revocation list; it goes into every certificate that the CA issues.
fn crl_at(name: &str) -> Addresses {
    Addresses { crl_url: Some(format!("http://crl.example.com/{name}.crl")), ..Addresses::default() }
}
