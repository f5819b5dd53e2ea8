//! Certificate policies along a path (RFC 5280 section 6.1, with the valid policies as the graph of RFC 9618, which stays
//! small where the tree of RFC 5280 can grow without bound).

use std::collections::{BTreeMap, BTreeSet};

use const_oid::ObjectIdentifier;

use super::certificate::Certificate;
use super::oid::ANY_POLICY;
use super::reason::{Budget, Exhausted, Reason};

/// What a relying party asks of policies (RFC 5280 section 6.1.1 (c) to (g)). The default asks for nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyInputs {
    /// The policies of which one must be valid, where any must be; empty for any policy.
    pub acceptable: Vec<ObjectIdentifier>,
    /// Whether a policy must be valid (`initial-explicit-policy`).
    pub explicit: bool,
    /// Whether mappings are ignored (`initial-policy-mapping-inhibit`).
    pub inhibit_mapping: bool,
    /// Whether anyPolicy stands only for itself (`initial-any-policy-inhibit`).
    pub inhibit_any: bool,
}

/// One policy that is valid at a depth.
#[derive(Clone, Debug, Default)]
struct Node {
    expected: BTreeSet<ObjectIdentifier>,
    /// The valid policies one level up from which it follows.
    parents: BTreeSet<ObjectIdentifier>,
}

type Level = BTreeMap<ObjectIdentifier, Node>;

/// The state of RFC 5280 section 6.1.2 as far as policies go.
#[derive(Debug)]
pub(super) struct Policies<'a> {
    inputs: &'a PolicyInputs,
    /// Empty for NULL.
    levels: Vec<Level>,
    explicit: usize,
    mapping: usize,
    any: usize,
}

impl<'a> Policies<'a> {
    /// For a path of so many certificates below the trust anchor.
    pub(super) fn new(inputs: &'a PolicyInputs, length: usize) -> Self {
        let unless = |inhibited: bool| if inhibited { 0 } else { length + 1 };
        let root = Node { expected: BTreeSet::from([ANY_POLICY]), parents: BTreeSet::new() };
        Self {
            inputs,
            levels: vec![BTreeMap::from([(ANY_POLICY, root)])],
            explicit: unless(inputs.explicit),
            mapping: unless(inputs.inhibit_mapping),
            any: unless(inputs.inhibit_any),
        }
    }

    /// Section 6.1.3 (d) to (f).
    pub(super) fn take(
        &mut self,
        certificate: &Certificate,
        is_last: bool,
        budget: &mut Budget,
    ) -> Result<Option<Reason>, Exhausted> {
        match (&certificate.extensions.policies, self.levels.last()) {
            (Some(policies), Some(upper)) => {
                budget.comparisons(policies.len().saturating_mul(upper.len()))?;
                let any_counts = self.any > 0 || (!is_last && certificate.is_self_issued());
                let level = next_level(upper, policies, any_counts);
                self.levels.push(level);
                self.prune();
            }
            _ => self.levels.clear(),
        }
        let missing = self.explicit == 0 && self.levels.is_empty();
        Ok(missing.then(|| Reason::new("RFC 5280 6.1.3 (f)", "a certificate policy is required, and none is valid")))
    }

    /// Section 6.1.4 (b) and (h) to (j).
    pub(super) fn prepare(&mut self, certificate: &Certificate) {
        let extensions = &certificate.extensions;
        self.map(&extensions.mappings);
        if !certificate.is_self_issued() {
            for counter in [&mut self.explicit, &mut self.mapping, &mut self.any] {
                *counter = counter.saturating_sub(1);
            }
        }
        for (limit, counter) in [
            (extensions.require_explicit_policy, &mut self.explicit),
            (extensions.inhibit_policy_mapping, &mut self.mapping),
            (extensions.inhibit_any_policy, &mut self.any),
        ] {
            if let Some(limit) = limit.and_then(|limit| usize::try_from(limit).ok()) {
                *counter = limit.min(*counter);
            }
        }
    }

    /// Section 6.1.5 (a), (b) and (g).
    pub(super) fn conclude(mut self, last: &Certificate) -> Option<Reason> {
        self.explicit = self.explicit.saturating_sub(1);
        if last.extensions.require_explicit_policy == Some(0) {
            self.explicit = 0;
        }
        (self.explicit == 0 && !self.is_acceptable()).then(|| {
            Reason::new("RFC 5280 6.1.5 (g)", "a certificate policy is required, and none that is valid is acceptable")
        })
    }

    /// Whether anything is left once what is not acceptable is taken out.
    fn is_acceptable(&self) -> bool {
        let acceptable = |policy: &ObjectIdentifier| {
            self.inputs.acceptable.is_empty()
                || self.inputs.acceptable.contains(&ANY_POLICY)
                || self.inputs.acceptable.contains(policy)
        };
        let mut kept = BTreeSet::from([ANY_POLICY]);
        for level in self.levels.iter().skip(1) {
            kept = level
                .iter()
                .filter(|(policy, node)| {
                    node.parents.iter().any(|parent| {
                        kept.contains(parent) && (*parent != ANY_POLICY || **policy == ANY_POLICY || acceptable(policy))
                    })
                })
                .map(|(policy, _)| *policy)
                .collect();
        }
        !self.levels.is_empty() && !kept.is_empty()
    }

    fn map(&mut self, mappings: &[(ObjectIdentifier, ObjectIdentifier)]) {
        let allowed = self.mapping > 0;
        let Some(level) = self.levels.last_mut() else { return };
        let mut mapped: BTreeMap<ObjectIdentifier, BTreeSet<ObjectIdentifier>> = BTreeMap::new();
        for (from, to) in mappings {
            mapped.entry(*from).or_default().insert(*to);
        }
        for (from, to) in mapped {
            if !allowed {
                level.remove(&from);
            } else if let Some(node) = level.get_mut(&from) {
                node.expected = to;
            } else if let Some(any) = level.get(&ANY_POLICY).cloned() {
                level.insert(from, Node { expected: to, parents: any.parents });
            }
        }
        self.prune();
    }

    /// Takes out what has no children, from the lowest level up; without a root there is nothing.
    fn prune(&mut self) {
        let mut below: Option<BTreeSet<ObjectIdentifier>> = None;
        for level in self.levels.iter_mut().rev() {
            if let Some(wanted) = &below {
                level.retain(|policy, _| wanted.contains(policy));
            }
            below = Some(level.values().flat_map(|node| node.parents.iter().copied()).collect());
        }
        if self.levels.iter().any(Level::is_empty) {
            self.levels.clear();
        }
    }
}

fn next_level(upper: &Level, policies: &[ObjectIdentifier], any_counts: bool) -> Level {
    let mut level = Level::new();
    for policy in policies.iter().filter(|policy| **policy != ANY_POLICY) {
        let mut parents: BTreeSet<_> =
            upper.iter().filter(|(_, node)| node.expected.contains(policy)).map(|(parent, _)| *parent).collect();
        if parents.is_empty() && upper.contains_key(&ANY_POLICY) {
            parents.insert(ANY_POLICY);
        }
        if !parents.is_empty() {
            level.insert(*policy, Node { expected: BTreeSet::from([*policy]), parents });
        }
    }
    if any_counts && policies.contains(&ANY_POLICY) {
        let listed: BTreeSet<_> = level.keys().copied().collect();
        for (parent, node) in upper {
            for policy in node.expected.difference(&listed) {
                let node = level
                    .entry(*policy)
                    .or_insert_with(|| Node { expected: BTreeSet::from([*policy]), parents: BTreeSet::new() });
                node.parents.insert(*parent);
            }
        }
    }
    level
}
