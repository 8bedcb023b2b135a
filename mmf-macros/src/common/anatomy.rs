//! Where the body of an annotated function really is, and what stands around it.

use proc_macro2::{Ident, Span, TokenStream};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{ReturnType, Token, Type, parse_quote};

use super::arguments::{Argument, Binding, Receiver, argument, parameter_name, receiver};
use super::errors::error;
use super::function::Function;
use super::names::replace_receiver;
use super::shell::{Found, Shell, borrow_under_instrument};

/// The body to wrap, and what is known of its function.
#[derive(Clone, Debug)]
pub(crate) struct Anatomy {
    pub(crate) is_async: bool,
    pub(crate) body: TokenStream,
    /// The return type as the body's own, `impl Trait` in it replaced by `_`.
    pub(crate) ret: Type,
    pub(crate) ret_span: Span,
    pub(crate) receiver: Option<Receiver>,
    pub(crate) arguments: Vec<Argument>,
    /// Type, const and lifetime parameters of the function.
    pub(crate) generics: Vec<String>,
    /// What `#[async_trait]` made of it.
    shell: Option<Shell>,
}

impl Anatomy {
    pub(crate) fn of(function: &Function) -> darling::Result<Self> {
        let Function { sig, block, .. } = function;
        let Some(block) = block else {
            return Err(error(
                sig.span(),
                "a declaration has no body: put the attribute on the implementations, or give the \
                 method a default body",
            ));
        };
        if let Some(constness) = &sig.constness {
            return Err(error(
                constness.span(),
                "a `const fn` cannot call the runtime of the attribute",
            ));
        }
        let (output, ret_span) = match &sig.output {
            ReturnType::Type(_, output) => ((**output).clone(), output.span()),
            ReturnType::Default => (parse_quote!(()), sig.ident.span()),
        };
        let plain = Self {
            is_async: sig.asyncness.is_some(),
            body: block.stream(),
            ret: without_impl_trait(output.clone()),
            ret_span,
            receiver: receiver(sig),
            arguments: sig.inputs.iter().filter_map(argument).collect(),
            generics: sig.generics.params.iter().map(parameter_name).collect(),
            shell: None,
        };
        if plain.is_async || !function.returns_future() {
            return Ok(plain);
        }
        match Shell::find(plain.body.clone()) {
            Some(found) => Ok(plain.in_shell(found)),
            None => Err(error(
                output.span(),
                "this function returns a future, whose body cannot be seen: make it an `async fn`",
            )),
        }
    }

    fn in_shell(mut self, Found { shell, body, ret }: Found) -> Self {
        for argument in &mut self.arguments {
            let named = argument.bindings.first().map(|binding| binding.name.clone());
            if let Some(pattern) = named.and_then(|name| shell.pattern_of(&name)) {
                argument.take_apart(&pattern);
            }
        }
        for binding in self.arguments.iter_mut().flat_map(|argument| &mut argument.bindings) {
            binding.mutability = binding.mutability.or_else(|| shell.mutability_of(&binding.name));
        }
        (self.is_async, self.body, self.ret_span, self.ret) = (true, body, ret.span(), ret);
        self.shell = Some(shell);
        self
    }

    /// How the body names the receiver.
    pub(crate) fn self_name(&self) -> &'static str {
        if self.shell.is_some() { "__self" } else { "self" }
    }

    /// Code from the attribute, which names the receiver as the body does.
    pub(crate) fn user_code(&self, code: TokenStream) -> TokenStream {
        match self.self_name() {
            "self" => code,
            other => replace_receiver(code, other),
        }
    }

    /// The receiver as the body names it.
    pub(crate) fn self_ident(&self) -> Option<Ident> {
        let receiver = self.receiver.as_ref()?;
        Some(Ident::new(self.self_name(), receiver.token.span))
    }

    /// The body that calls the runtime, put back to where the original body was.
    pub(crate) fn rebuild(&self, wrapped: TokenStream) -> TokenStream {
        match &self.shell {
            None => wrapped,
            Some(shell) => shell.around(wrapped),
        }
    }

    /// Takes the `mut` of an argument back, or gives it one, in the shell where there is one; whether there is.
    pub(crate) fn rebind(&mut self, name: &Ident, mutability: Option<Token![mut]>) -> bool {
        if let Some(shell) = &mut self.shell {
            shell.rebind(name, mutability);
        }
        self.shell.is_some()
    }

    /// Whether an argument can be given its `mut`.
    pub(crate) fn can_rebind(&self, name: &Ident) -> bool {
        self.shell.as_ref().is_none_or(|shell| shell.rebinds(name))
    }

    /// The variables that the body may use.
    pub(crate) fn bindings(&self) -> impl Iterator<Item = &Binding> {
        self.arguments.iter().flat_map(|argument| &argument.bindings)
    }

    /// Lets the body borrow its arguments where `#[tracing::instrument]` had it take them.
    pub(crate) fn borrow_under_instrument(&mut self) {
        self.body = borrow_under_instrument(&self.body);
    }
}

/// `Result<impl Iterator, E>` becomes `Result<_, E>`, which can be written inside a body.
fn without_impl_trait(mut ty: Type) -> Type {
    struct Eraser;
    impl VisitMut for Eraser {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if matches!(ty, Type::ImplTrait(_)) {
                *ty = parse_quote!(_);
            } else {
                visit_mut::visit_type_mut(self, ty);
            }
        }
    }
    Eraser.visit_type_mut(&mut ty);
    ty
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::{ToTokens, quote};

    fn anatomy(tokens: TokenStream) -> darling::Result<Anatomy> {
        Anatomy::of(&syn::parse2(tokens).unwrap())
    }

    #[test]
    fn the_body_of_an_async_trait_method_is_found() {
        let anatomy = anatomy(quote! {
            fn get<'a, 'async_trait>(&'a self, id: String)
                -> Pin<Box<dyn Future<Output = Result<u8, E>> + Send + 'async_trait>>
            {
                Box::pin(async move {
                    let __self = self;
                    let mut id = id;
                    let __ret: Result<u8, E> = { __self.inner(id).await };
                    __ret
                })
            }
        })
        .unwrap();
        assert!(anatomy.is_async);
        assert_eq!(anatomy.ret.to_token_stream().to_string(), "Result < u8 , E >");
        assert!(
            anatomy.bindings().next().unwrap().mutability.is_some(),
            "`id` is mutable in there"
        );
        assert_eq!(anatomy.self_name(), "__self");
    }

    #[test]
    fn a_future_whose_body_cannot_be_seen_is_refused() {
        for function in [
            quote!(
                fn get() -> Pin<Box<dyn Future<Output = Result<u8, E>>>> {
                    make_it()
                }
            ),
            quote!(
                fn get() -> impl Future<Output = Result<u8, E>> {
                    async { Ok(1) }
                }
            ),
        ] {
            let message = anatomy(function).unwrap_err().to_string();
            assert!(message.contains("make it an `async fn`"), "{message}");
        }
        assert!(
            anatomy(quote!(
                fn get() -> Result<Pin<Box<dyn Future<Output = u8>>>, E> {}
            ))
            .is_ok()
        );
    }

    #[test]
    fn impl_trait_in_the_result_becomes_a_placeholder() {
        let anatomy = anatomy(quote!(
            fn f() -> Result<impl Iterator<Item = u8>, E> {}
        ))
        .unwrap();
        assert_eq!(anatomy.ret.to_token_stream().to_string(), "Result < _ , E >");
    }
}
