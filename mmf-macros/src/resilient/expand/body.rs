//! The user's body, quoted once, and its arguments.

use proc_macro2::{Ident, TokenStream};
use quote::{quote, quote_spanned};

use super::Expansion;
use crate::chaos::Point;
use crate::common::body::typed;
use crate::common::function::Function;
use crate::resilient::check::Model;

impl Expansion<'_> {
    // Output: async { BODY }
    //
    /// The body as a future.
    pub(super) fn future(&self, moves: &TokenStream) -> TokenStream {
        let Self { span, .. } = self;
        let mut anatomy = self.model.anatomy.clone();
        // Without repetition, and where nothing wants the arguments back, the body may own them.
        let movement = if self.model.repeats() || self.args.hands_over() {
            anatomy.borrow_under_instrument();
            TokenStream::new()
        } else {
            quote!(move)
        };
        if let Some(point) = self.point() {
            return Point { anatomy: &anatomy, ..point }.future(&movement, moves);
        }
        let body = typed(&anatomy, moves, *span);
        quote_spanned!(*span=> async #movement { #body })
    }

    /// A clone of each argument named in `clone(…)`, made outside the body and moved into it, so that
    /// the future holds the clone and no borrow of the original.
    pub(super) fn clones(&self) -> (TokenStream, TokenStream) {
        let mut clones = TokenStream::new();
        let mut moves = TokenStream::new();
        for name in self.args.cloned() {
            let mutability =
                cloned_mutably(self.model).find(|(mutable, _)| *mutable == name).map(|(_, m)| m);
            // At the name in `clone(…)`, where a missing `Clone` is to be reported.
            clones.extend(
                quote_spanned!(name.span()=> let #name = ::core::clone::Clone::clone(&#name);),
            );
            moves.extend(quote!(#[allow(unused_variables)] let #mutability #name = #name;));
        }
        (clones, moves)
    }
}

/// The arguments that each attempt clones and changes: only the clone is mutable.
pub(super) fn cloned_mutably(model: &Model) -> impl Iterator<Item = (&Ident, syn::Token![mut])> {
    let cloned = model.args.cloned();
    model.anatomy.bindings().filter_map(move |(name, mutability)| {
        cloned.contains(name).then_some(())?;
        Some((name, (*mutability)?))
    })
}

/// Takes back the `mut` of an argument that only its clones need.
pub(super) fn strip_mut(function: &mut Function, name: &Ident) {
    struct Strip<'a>(&'a Ident);
    impl syn::visit_mut::VisitMut for Strip<'_> {
        fn visit_pat_ident_mut(&mut self, pattern: &mut syn::PatIdent) {
            if pattern.ident == *self.0 {
                pattern.mutability = None;
            }
        }
    }
    for input in &mut function.sig.inputs {
        syn::visit_mut::VisitMut::visit_fn_arg_mut(&mut Strip(name), input);
    }
}
