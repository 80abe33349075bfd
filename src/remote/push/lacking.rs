//! What the other side lacks of a directory, from the top down: a tree that is there is there with everything beneath.

use std::collections::{HashMap, HashSet, VecDeque};

use super::asking::{Asking, Named};
use crate::base::id::Hash;
use crate::base::{Error, Result};
use crate::object::edges::{Edge, edges_of};
use crate::object::kind::ObjectKind;
use crate::object::tree::TreeRef;
use crate::remote::builds::MISSING_OBJECTS_MAX;
use crate::store::reach::tree_edge;

/// Trees and recipes that nobody was asked about yet.
#[derive(Default)]
pub(super) struct Texts {
    texts: HashMap<Named, Vec<u8>>,
}

impl Texts {
    pub(super) fn add(&mut self, object: Named, text: Vec<u8>) {
        self.texts.insert(object, text);
    }

    /// The text of a tree or recipe.
    pub(super) fn get(&self, (kind, id): Named) -> Result<&[u8]> {
        let text = self.texts.get(&(kind, id));
        text.map(Vec::as_slice)
            .ok_or_else(|| Error::internal(format!("the {} {id} was not made", kind.name())))
    }

    /// What a tree or recipe names.
    fn edges(&self, object: Named) -> Result<Vec<Edge>> {
        edges_of(object.0, self.get(object)?)
    }

    /// Whether the recipe of a blob is here and leads to one of some blobs. Recipes are as deep as the format lets them be.
    pub(super) fn leads_to(&self, blob: Hash, wanted: &HashSet<Hash>) -> Result<bool> {
        let recipe = (ObjectKind::Recipe, blob);
        if !self.texts.contains_key(&recipe) {
            return Ok(false);
        }
        for piece in self.edges(recipe)? {
            let leads = match piece.kind {
                ObjectKind::Recipe => self.leads_to(piece.id, wanted)?,
                _ => wanted.contains(&piece.id),
            };
            if leads {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// What must be sent.
#[derive(Default)]
pub(super) struct Lacking {
    /// Trees and recipes.
    pub(super) texts: Vec<Named>,
    /// Blobs nobody has been asked about before.
    pub(super) blobs: HashSet<Hash>,
}

impl Lacking {
    /// Asks what is lacking of the directory `root`. Those of its trees and recipes that nobody was asked about are in `texts`.
    pub(super) fn of(root: TreeRef, texts: &Texts, asking: &mut Asking<'_>) -> Result<Self> {
        let mut lacking = Self::default();
        let mut contents = lacking.ask_trees(root, texts, asking)?;
        // Recipes name pieces, which may be recipes: each round lies deeper, and there are no more than levels of those.
        while !contents.is_empty() {
            let missing = asking.missing(&contents)?;
            let asked = std::mem::take(&mut contents).into_iter().zip(missing);
            for ((kind, id), _) in asked.filter(|(_, is_missing)| *is_missing) {
                if kind == ObjectKind::Blob {
                    lacking.blobs.insert(id);
                    continue;
                }
                lacking.texts.push((kind, id));
                let pieces = texts.edges((kind, id))?;
                let pieces = pieces.iter().map(|piece| (piece.kind, piece.id));
                contents.extend(pieces.filter(|piece| asking.is_new(*piece)));
            }
        }
        Ok(lacking)
    }

    /// Asks about trees, as many at once as one question may hold. Returns the contents that the lacking ones name.
    fn ask_trees(
        &mut self,
        root: TreeRef,
        texts: &Texts,
        asking: &mut Asking<'_>,
    ) -> Result<Vec<Named>> {
        let mut contents = Vec::new();
        let root = tree_edge(root);
        let mut waiting = VecDeque::from([(root.kind, root.id)]);
        waiting.retain(|tree| asking.is_new(*tree));
        while !waiting.is_empty() {
            let mut question = Vec::new();
            while question.len() < MISSING_OBJECTS_MAX
                && let Some(tree) = waiting.pop_front()
            {
                let named = texts.edges(tree)?.into_iter();
                let named = named.map(|edge| (edge.kind, edge.id));
                let trees = named.filter(|(kind, _)| *kind == ObjectKind::Tree);
                waiting.extend(trees.filter(|tree| asking.is_new(*tree)));
                question.push(tree);
            }
            let missing = asking.missing(&question)?;
            let asked = question.into_iter().zip(missing);
            for (tree, _) in asked.filter(|(_, is_missing)| *is_missing) {
                self.texts.push(tree);
                let named = texts.edges(tree)?.into_iter();
                let named = named.map(|edge| (edge.kind, edge.id));
                let others = named.filter(|(kind, _)| *kind != ObjectKind::Tree);
                contents.extend(others.filter(|object| asking.is_new(*object)));
            }
        }
        Ok(contents)
    }
}
