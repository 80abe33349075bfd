//! Scripting: a plan becomes a script while groups are made.
//!
//! # Not here
//!
//! What the script says (`object::script`), what is planned (`delta::plan`).

use super::archives::Patched;
use super::group::{Made, is_patchable};
use super::plan::Plan;
use crate::base::id::Hash;
use crate::object::script::{Content, Put, Script};

/// A script in the making.
pub(super) struct Scripting<'p> {
    plan: &'p Plan,
    script: Script,
    groups: u32,
    patched: u64,
}

impl<'p> Scripting<'p> {
    /// Starts with what is planned: contents that no group makes come whole.
    pub(super) fn new(plan: &'p Plan) -> Self {
        let mut scripting = Self {
            plan,
            script: Script {
                steps: plan.steps.clone(),
            },
            groups: 0,
            patched: 0,
        };
        for wanted in plan.wanted.iter().filter(|wanted| !is_patchable(wanted)) {
            let (size, id) = (wanted.bytes, wanted.id);
            if let Some(put) = scripting.put(wanted.step) {
                put.content = Content::Whole { size, id };
            }
        }
        scripting
    }

    /// The contents that come whole, each with its bytes.
    pub(super) fn whole(&self) -> impl Iterator<Item = (Hash, u64)> {
        let wanted = self.plan.wanted.iter();
        let whole = wanted.filter(|wanted| !is_patchable(wanted));
        whole.map(|wanted| (wanted.id, wanted.bytes))
    }

    /// Notes the next group.
    pub(super) fn note(&mut self, made: &Made) {
        let (plan, group) = (self.plan, self.groups);
        self.groups += 1;
        for (number, chosen) in made.group.wanted.iter().zip(&made.chosen) {
            let wanted = &plan.wanted[*number];
            let base = chosen.and_then(|chosen| wanted.bases.get(chosen));
            let Some(put) = self.put(wanted.step) else {
                continue;
            };
            let size = wanted.bytes;
            let Some(base) = base else {
                put.content = Content::Made { group, size };
                continue;
            };
            // Both are far below the limit of signed numbers.
            let growth = size.cast_signed() - base.bytes.cast_signed();
            put.content = Content::Patched { group, growth };
            let is_elsewhere = base.path != plan.steps[wanted.step].path;
            put.at = is_elsewhere.then(|| base.path.clone());
            self.patched += 1;
        }
    }

    /// Notes the next group, which makes contents by what is in them.
    pub(super) fn note_archives(&mut self, made: &Patched) {
        let (plan, group) = (self.plan, self.groups);
        self.groups += 1;
        for archived in &made.archived {
            let wanted = &plan.wanted[archived.wanted];
            let base = wanted.bases.get(archived.base);
            let (Some(base), Some(put)) = (base, self.put(wanted.step)) else {
                continue;
            };
            put.content = Content::Archive {
                group,
                base: archived.base_bytes,
                form: archived.form_bytes,
                size: wanted.bytes,
            };
            let is_elsewhere = base.path != plan.steps[wanted.step].path;
            put.at = is_elsewhere.then(|| base.path.clone());
            self.patched += 1;
        }
    }

    fn put(&mut self, step: usize) -> Option<&mut Put> {
        self.script.steps.get_mut(step)?.put.as_mut()
    }

    /// The script, and how many contents are patches of others.
    pub(super) fn finish(self) -> (Script, u64) {
        (self.script, self.patched)
    }
}
