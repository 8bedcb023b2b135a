//! The user's body, quoted once, and what it is given: the receiver and the arguments.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Token;

use super::Expansion;
use crate::chaos::Point;
use crate::common::anatomy::Anatomy;
use crate::common::arguments::{Access, Binding, SelfKind};
use crate::common::body::typed;
use crate::common::function::Function;
use crate::common::names::{first_use, mentions, private, replace_receiver};
use crate::resilient::args::Group;
use crate::resilient::check::Model;

/// What stands outside of an attempt's future, and at its start.
#[derive(Default)]
pub(super) struct Given {
    pub(super) outside: TokenStream,
    pub(super) inside: TokenStream,
}

impl Expansion<'_> {
    // Output: async { BODY }
    //
    /// The body as a future.
    pub(super) fn future(&self, inside: &TokenStream) -> TokenStream {
        let Self { rt, span, .. } = self;
        let mut anatomy = self.own_anatomy();
        // Without repetition, and where nothing wants the arguments back, the body may own them.
        let movement = if self.model.repeats() || self.args.hands_over() {
            anatomy.borrow_under_instrument();
            TokenStream::new()
        } else {
            quote!(move)
        };
        if let Some(point) = self.point() {
            return Point { anatomy: &anatomy, ..point }.future(&movement, inside);
        }
        let body = typed(rt, &anatomy, inside, *span);
        quote_spanned!(*span=> async #movement { #body })
    }

    /// The anatomy with the body as an attempt has it, which may name the receiver by another name.
    pub(super) fn own_anatomy(&self) -> Anatomy {
        let mut anatomy = self.model.anatomy.clone();
        if self.model.renames_self() {
            anatomy.body = replace_receiver(anatomy.body, "__self");
        }
        anatomy
    }

    /// What an attempt is given of its own: clones, and what is lent to it and comes back.
    pub(super) fn given(&self) -> Given {
        let mut given = Given::default();
        for name in self.args.cloned() {
            if name == "self" {
                self.clone_self(name, &mut given);
            } else if let Some(binding) = self.model.anatomy.bindings().find(|b| b.name == *name) {
                let condition = self.conditions(name);
                let Binding { name: variable, mutability, access } = binding;
                given.clone_of(name, &condition, variable, mutability.as_ref(), *access);
            }
        }
        for Binding { name, mutability, access } in self.model.anatomy.bindings() {
            if !self.args.kept().contains(name) {
                continue;
            }
            let condition = self.conditions(name);
            match access {
                Access::Mutable if mutability.is_none() => {
                    given.inside.extend(quote!(#condition let #name = &mut *#name;));
                }
                Access::Pinned => given.inside.extend(quote! {
                    #condition let #mutability #name = ::core::pin::Pin::as_mut(&mut #name);
                }),
                _ => {}
            }
        }
        if self.model.keeps_pinned_self()
            && let (Some(outer), Some(inner)) =
                (self.model.anatomy.self_ident(), self.model.inner_self())
        {
            let mutability = self.model.anatomy.receiver.as_ref().and_then(|own| own.mutability);
            given.inside.extend(quote! {
                let #mutability #inner = ::core::pin::Pin::as_mut(&mut #outer);
            });
        }
        for name in self.model.lent() {
            let condition = self.conditions(&name);
            given.inside.extend(quote!(#condition if false { let _ = &mut #name; }));
        }
        given
    }

    fn clone_self(&self, name: &Ident, given: &mut Given) {
        let (Some(receiver), Some(outer), Some(inner)) = (
            &self.model.anatomy.receiver,
            self.model.anatomy.self_ident(),
            self.model.inner_self(),
        ) else {
            return;
        };
        let own = Ident::new("__mmf_self", Span::mixed_site().located_at(name.span()));
        let mutability = receiver.mutability;
        let (span, outer) =
            (name.span(), Ident::new(&outer.to_string(), outer.span().located_at(name.span())));
        let of_value = quote_spanned!(span=> ::core::clone::Clone::clone(&#outer));
        let of_what_is_lent = quote_spanned!(span=> ::core::clone::Clone::clone(&*#outer));
        let (outside, inside) = match receiver.kind {
            SelfKind::Value | SelfKind::Typed => {
                (quote!(let #own = #of_value;), quote!(let #mutability #inner = #own;))
            }
            SelfKind::Shared => (quote!(let #own = #of_what_is_lent;), quote!(let #inner = &#own;)),
            SelfKind::Mutable => {
                (quote!(let mut #own = #of_what_is_lent;), quote!(let #inner = &mut #own;))
            }
            SelfKind::Pinned => (
                quote!(let #own = #of_what_is_lent;),
                quote!(let #mutability #inner = ::core::pin::pin!(#own);),
            ),
        };
        given.outside.extend(outside);
        given.inside.extend(inside);
    }

    /// `#[cfg(…)]` above the argument of that name.
    pub(super) fn conditions(&self, name: &Ident) -> TokenStream {
        let mut arguments = self.model.anatomy.arguments.iter();
        let argument = arguments.find(|argument| argument.bindings.iter().any(|b| b.name == *name));
        argument.map_or_else(TokenStream::new, |argument| {
            let conditions = &argument.conditions;
            quote!(#(#conditions)*)
        })
    }
}

impl Given {
    /// A clone of an argument, made outside of the body and moved into it, so that the future holds the clone and
    /// no borrow of the original. Of a `&mut T`, the clone is one of `T`.
    fn clone_of(
        &mut self,
        written: &Ident,
        condition: &TokenStream,
        name: &Ident,
        mutability: Option<&Token![mut]>,
        access: Access,
    ) {
        // At the name in `clone(…)`, where a missing `Clone` is to be reported.
        let span = written.span();
        let of_value = quote_spanned!(span=> ::core::clone::Clone::clone(&#written));
        let of_what_is_lent = quote_spanned!(span=> ::core::clone::Clone::clone(&*#written));
        let (outside, inside) = match access {
            Access::Mutable => (
                quote!(let mut #name = #of_what_is_lent;),
                quote!(let #mutability #name = &mut #name;),
            ),
            Access::Pinned => (
                quote!(let #name = #of_what_is_lent;),
                quote!(let #mutability #name = ::core::pin::pin!(#name);),
            ),
            Access::Shared | Access::HoldsMutable | Access::Value => {
                (quote!(let #name = #of_value;), quote!(let #mutability #name = #name;))
            }
        };
        self.outside.extend(quote!(#condition #outside));
        self.inside.extend(quote!(#condition #inside));
    }
}

impl Model {
    /// The receiver as the body names it.
    fn inner_self(&self) -> Option<Ident> {
        let receiver = self.anatomy.receiver.as_ref()?;
        Some(Ident::new("__self", receiver.token.span))
    }

    /// By-value arguments that an attempt borrows for itself alone, so that its future is `Send` where they are: a
    /// shared borrow would have to be of what is `Sync`.
    fn lent(&self) -> Vec<Ident> {
        if !self.anatomy.is_async || self.args.retry.is_none() || self.args.hedge.is_some() {
            return Vec::new();
        }
        let body = &self.anatomy.body;
        let is_lent = |binding: &&Binding| {
            let name = &binding.name;
            binding.access == Access::Value
                && !self.args.cloned().contains(name)
                && mentions(body, name)
                && self.anatomy.can_rebind(name)
                && !self.is_borrowed_by_a_policy(name)
        };
        let mut lent: Vec<_> =
            self.anatomy.bindings().filter(is_lent).map(|binding| binding.name.clone()).collect();
        let receiver = self.anatomy.receiver.as_ref();
        if receiver.is_some_and(|receiver| receiver.kind == SelfKind::Value)
            && self.keeps_self()
            && !self.is_borrowed_by_a_policy(&private("self"))
        {
            lent.extend(self.anatomy.self_ident());
        }
        lent
    }

    /// Whether a policy that lives as long as the call may be a part of the argument.
    fn is_borrowed_by_a_policy(&self, name: &Ident) -> bool {
        let retry = self.args.retry.as_ref().and_then(Group::policy);
        let mut policies = self.args.ready_policies().map(|(_, _, policy)| policy).chain(retry);
        policies.any(|policy| first_use(policy, &[name.to_string()]).is_some())
    }

    /// Gives the arguments the `mut` that they need, and takes it from those of which only the clones do.
    pub(super) fn set_mutability(&self, function: &mut Function, anatomy: &mut Anatomy) {
        // At the name: rustc names no variable whose pattern comes from a macro.
        let token = |name: &Ident| Some(Token![mut](name.span()));
        let cloned = self.anatomy.bindings().filter(|binding| {
            self.args.cloned().contains(&binding.name) && binding.mutability.is_some()
        });
        let lent = self.lent();
        let pinned = self.anatomy.bindings().filter(|binding| {
            self.args.kept().contains(&binding.name)
                && binding.access == Access::Pinned
                && binding.mutability.is_none()
        });
        let changes = cloned
            .map(|binding| (&binding.name, None))
            .chain(lent.iter().map(|name| (name, token(name))))
            .chain(pinned.map(|binding| (&binding.name, token(&binding.name))));
        let is_mutable = |name: &Ident| {
            self.anatomy.bindings().any(|b| b.name == *name && b.mutability.is_some())
        };
        for (name, mutability) in changes {
            if mutability.is_some() && is_mutable(name) {
                continue;
            }
            if !anatomy.rebind(name, mutability) {
                set_mut(function, name, mutability);
            }
        }
        let Some(receiver) = function.sig.inputs.iter_mut().find_map(|input| match input {
            syn::FnArg::Receiver(receiver) => Some(receiver),
            syn::FnArg::Typed(_) => None,
        }) else {
            return;
        };
        let is_lent = anatomy.self_ident().is_some_and(|name| lent.contains(&name));
        if self.keeps_pinned_self() || is_lent {
            let token = Some(Token![mut](receiver.self_token.span));
            if !anatomy.rebind(&private("__self"), token) {
                receiver.mutability = receiver.mutability.or(token);
            }
        } else if self.args.clones_self() && receiver.mutability.is_some() {
            receiver.mutability = None;
        }
    }
}

/// Gives a variable of the signature its `mut`, or takes it.
fn set_mut(function: &mut Function, name: &Ident, mutability: Option<Token![mut]>) {
    struct Setter<'a>(&'a Ident, Option<Token![mut]>);
    impl syn::visit_mut::VisitMut for Setter<'_> {
        fn visit_pat_ident_mut(&mut self, pattern: &mut syn::PatIdent) {
            if pattern.ident == *self.0 {
                pattern.mutability = self.1;
            }
        }
    }
    for input in &mut function.sig.inputs {
        syn::visit_mut::VisitMut::visit_fn_arg_mut(&mut Setter(name, mutability), input);
    }
}
