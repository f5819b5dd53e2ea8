//! Refunds, ends and time, on rehearsal logs.

use crate::kit::{Desk, text};

#[test]
fn a_refund_takes_two_steps_and_has_a_window() {
    let mut desk = Desk::rehearsal("2030-01-01T00:00:00Z");
    let pair = desk.buy("ecc");
    let order = pair.order.as_str();
    let eligible = desk.yes(&["refund", order, "--eligible"]);
    assert_eq!((&eligible["eligible"], text(&eligible["order"])), (&true.into(), order.into()));
    desk.no(&["refund", order, "--returned"], &["R5"]);
    desk.no(&["refund", order, "--declined", "why not"], &["R5"]);
    assert_eq!(desk.yes(&["refund", order])["state"], "refund-requested");
    desk.no(&["enable", &pair.root, "--cn", "R"], &["R5"]);
    desk.no(&["refund", order], &["R5"]);
    desk.no(&["refund", order, "--declined", ""], &["R5"]);
    assert_eq!(desk.yes(&["refund", order, "--declined", "already used"])["state"], "placed");
    desk.yes(&["enable", &pair.root, "--cn", "R"]);
    let not = desk.run(&["refund", order, "--eligible"]);
    assert_eq!((not.code, &not.json()["eligible"]), (1, &false.into()));
    assert_eq!(not.rules(), ["R2"]);
    desk.no(&["refund", order], &["R2"]);

    let other = desk.buy("rsa");
    desk.now = Some("2030-01-08T00:00:01Z".into());
    desk.no(&["refund", &other.order], &["R1"]);
    desk.no(&["refund", order], &["R1", "R2"]);
    for unknown in ["garbage", "ord_aaaaaaaaaaaaaaaa"] {
        desk.no(&["refund", unknown], &["R1"]);
        desk.no(&["refund", unknown, "--returned"], &["R5"]);
        assert_eq!(desk.run(&["refund", unknown, "--eligible"]).code, 1);
    }
    let third = desk.buy("ecc");
    desk.yes(&["refund", &third.order]);
    assert_eq!(desk.yes(&["refund", &third.order, "--returned"])["state"], "refunded");
    assert_eq!(text(&desk.yes(&["remove", &third.root])["removed"]), third.root);
    desk.no(&["remove", &pair.root], &["R6"]);
    desk.yes(&["verify"]);
}

#[test]
fn a_ca_ends_only_as_its_preview_showed() {
    let desk = Desk::new();
    let pair = desk.pair("ecc", 4);
    desk.server(&pair, "a.example.com");
    let (root, oa) = (pair.root.as_str(), pair.intermediate.as_str());
    let preview = |what: &str, ca: &str| text(&desk.yes(&["preview", what, ca])["digest"]);
    let seen = desk.yes(&["preview", "reset", root]);
    assert_eq!((&seen["certificates"], seen["intermediates"].as_array().unwrap().len()), (&1.into(), 1));
    assert!(seen["quota"].is_u64());
    desk.no(&["reset", root, "--confirm", "garbage"], &["C8"]);
    desk.no(&["reset", root, "--confirm", &preview("reset", root)], &["C8"]);
    desk.no(&["revoke-ca", oa, "--confirm", &preview("revoke", oa)], &["C9"]);
    desk.no(&["revoke-ca", oa, "--confirm", &preview("reset", oa), "--cascade"], &["C8"]);
    let stale = preview("reset", oa);
    desk.server(&pair, "b.example.com");
    desk.no(&["reset", oa, "--confirm", &stale], &["C8"]);

    assert_eq!(desk.yes(&["disable", oa])["state"], "disabled");
    desk.no(&["disable", oa], &["C10"]);
    desk.no(&["issue", "server", oa, "--dns", "c.example.com"], &["I1"]);
    desk.yes(&["crl", oa, "--out", "oa.crl"]);
    assert_eq!(desk.yes(&["reenable", oa])["state"], "enabled");
    desk.no(&["reenable", oa], &["C10"]);
    desk.no(&["reset", "garbage", "--confirm", "x"], &["C1"]);

    let ended =
        desk.yes(&["revoke-ca", oa, "--confirm", &preview("revoke", oa), "--cascade", "--reason", "keyCompromise"]);
    assert_eq!((text(&ended["ca"]), text(&ended["state"])), (oa.into(), "revoked".into()));
    desk.no(&["enable", oa, "--cn", "Again"], &["C1"]);
    let crl = desk.yes(&["crl", oa, "--out", "last.crl"]);
    assert_eq!((&crl["entries"], text(&crl["next_update"])), (&2.into(), "9999-12-31T23:59:59Z".into()));
    assert_eq!(desk.yes(&["crl", root, "--out", "root.crl"])["entries"], 1);
    desk.yes(&["remove", oa]);
    assert_eq!(desk.yes(&["list", "cas"]).as_array().unwrap().len(), 1);
    assert_eq!(desk.yes(&["list", "cas", "--status", "removed"]).as_array().unwrap().len(), 1);
    let reset = desk.yes(&["reset", root, "--confirm", &preview("reset", root), "--cascade"]);
    assert_eq!(reset["state"], "not-enabled");
    assert_eq!(reset["remove_trust_anchors"].as_array().unwrap().len(), 1, "a root cannot revoke itself");
    let keys = desk.path("pca-data/keys");
    let left = std::fs::read_dir(keys)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().ends_with(".pem"));
    assert_eq!(left.count(), 0, "the keys of CAs that ended are destroyed");
    desk.yes(&["verify"]);
}

#[test]
fn time_passes_on_a_rehearsal_log_as_it_is_told() {
    let mut desk = Desk::rehearsal("2030-01-31T12:00:00Z");
    let pair = desk.pair("ecc", 3);
    let issued = desk.yes(&["issue", "server", &pair.intermediate, "--dns", "a.example.com", "--days", "30"]);
    assert_eq!(issued["not_before"], "2030-01-31T12:00:00Z");
    assert_eq!(issued["not_after"], "2030-03-02T11:59:59Z", "the last second is included");
    let id = text(&issued["certificate"]);
    assert_eq!(desk.yes(&["verify"])["rehearsal"], true);
    desk.now = None;
    assert_eq!(desk.yes(&["show", &id])["status"], "valid", "without --now, its time stands still");
    assert_eq!(desk.yes(&["show", &id, "--now", "2030-03-02T12:00:00Z"])["status"], "expired");
    desk.now = Some("2030-03-02T12:00:00Z".into());
    assert_eq!(text(&desk.yes(&["remove", &id])["removed"]), id);
    // The service term of a year ends; issuing ends with it, revoking does not.
    let other = desk.yes(&["issue", "server", &pair.intermediate, "--dns", "b.example.com", "--days", "900"]);
    desk.now = Some("2031-02-01T00:00:00Z".into());
    desk.no(&["issue", "server", &pair.intermediate, "--dns", "c.example.com"], &["O5"]);
    desk.no(&["extend", &pair.root, "--term", "1y"], &["O5"]);
    desk.yes(&["revoke", &text(&other["certificate"])]);
    desk.yes(&["crl", &pair.intermediate, "--out", "x.crl"]);
    // An intermediate expires after five years, and may then be removed.
    desk.no(&["remove", &pair.intermediate], &["R6"]);
    desk.now = Some("2035-02-01T00:00:00Z".into());
    desk.yes(&["remove", &pair.intermediate]);
    desk.yes(&["verify"]);
}
