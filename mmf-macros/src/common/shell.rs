//! What other attributes have put around a body, found and put back.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::quote;
use syn::parse::Parser as _;
use syn::{Ident, Pat, Token, Type};

/// What stands around the body in a function that `#[async_trait]` has expanded.
///
/// Attributes below it may have expanded since: each wraps what it sees as the body, so the shell is nested.
#[derive(Clone, Debug)]
pub(crate) struct Shell {
    /// Outermost first; the last one is where the body stands.
    levels: Vec<Level>,
}

#[derive(Clone, Debug)]
struct Level {
    before: Vec<TokenTree>,
    delimiter: Delimiter,
    span: Span,
    after: Vec<TokenTree>,
}

/// The body in its shell.
pub(crate) struct Found {
    pub(crate) shell: Shell,
    pub(crate) body: TokenStream,
    pub(crate) ret: Type,
}

impl Shell {
    // Input:
    //     Box::pin(async move {
    //         if let Some(__ret) = None::<Ret> { return __ret; }
    //         let __self = self; let mut id = id;
    //         let __ret: Ret = { BODY };
    //         __ret
    //     })
    // Output: BODY and Ret, with what stands around them.
    //
    /// Without a result, it is `let _: () = { BODY };`.
    pub(crate) fn find(tokens: TokenStream) -> Option<Found> {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        if let Some((place, ret)) = initializer(&tokens)
            && let TokenTree::Group(body) = &tokens[place]
        {
            let levels = vec![Level::around(&tokens, place, body)];
            return Some(Found { shell: Self { levels }, body: body.stream(), ret });
        }
        tokens.iter().enumerate().find_map(|(place, token)| {
            let TokenTree::Group(group) = token else { return None };
            let mut found = Self::find(group.stream())?;
            found.shell.levels.insert(0, Level::around(&tokens, place, group));
            Some(found)
        })
    }

    /// Another body in the same shell.
    pub(crate) fn around(&self, body: TokenStream) -> TokenStream {
        self.levels.iter().rev().fold(body, |inner, level| {
            let mut group = Group::new(level.delimiter, inner);
            group.set_span(level.span);
            let (before, after) = (&level.before, &level.after);
            quote!(#(#before)* #group #(#after)*)
        })
    }

    /// The `mut` of `let mut name = name;` before the body.
    pub(crate) fn mutability_of(&self, name: &Ident) -> Option<Token![mut]> {
        let before = self.before();
        let TokenTree::Ident(mutability) = before.get(rebound(before, name)? + 1)? else {
            return None;
        };
        (mutability == "mut").then(|| Token![mut](mutability.span()))
    }

    // Input:  let mut name = name;
    // Output: let name = name;
    //
    /// Takes the `mut` of an argument back, or gives it one.
    pub(crate) fn rebind(&mut self, name: &Ident, mutability: Option<Token![mut]>) {
        let Some(place) = rebound(self.before(), name) else {
            if let (Some(level), None) = (self.levels.last_mut(), mutability) {
                level.before = without_mut(std::mem::take(&mut level.before), name);
            }
            return;
        };
        let is_mutable = self.mutability_of(name).is_some();
        let Some(level) = self.levels.last_mut() else { return };
        if is_mutable {
            level.before.remove(place + 1);
        }
        if let Some(mutability) = mutability {
            let mutability = Ident::new("mut", mutability.span);
            level.before.insert(place + 1, TokenTree::Ident(mutability));
        }
    }

    // Input:  let (mut a, b) = { let __arg1 = __arg1; __arg1 };
    // Output: (mut a, b)
    //
    /// The pattern that takes an argument apart before the body, where the signature has only a name for it.
    pub(crate) fn pattern_of(&self, name: &Ident) -> Option<Pat> {
        let before = self.before();
        let place = before.windows(2).position(|window| match window {
            [TokenTree::Punct(equals), TokenTree::Group(block)] => {
                let first = block.stream().into_iter().nth(1);
                equals.as_char() == '='
                    && matches!(first, Some(TokenTree::Ident(first)) if first == *name)
            }
            _ => false,
        })?;
        let is_let = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "let");
        let start = before[..place].iter().rposition(is_let)? + 1;
        let pattern: TokenStream = before[start..place].iter().cloned().collect();
        Pat::parse_single.parse2(pattern).ok()
    }

    /// Whether there is a `let name = name;` before the body.
    pub(crate) fn rebinds(&self, name: &Ident) -> bool {
        rebound(self.before(), name).is_some()
    }

    fn before(&self) -> &[TokenTree] {
        self.levels.last().map(|level| level.before.as_slice()).unwrap_or_default()
    }
}

impl Level {
    fn around(tokens: &[TokenTree], place: usize, group: &Group) -> Self {
        Self {
            before: tokens[..place].to_vec(),
            delimiter: group.delimiter(),
            span: group.span(),
            after: tokens[place + 1..].to_vec(),
        }
    }
}

/// Where the body stands in `let __ret: Ret = { BODY };`, and the type.
fn initializer(tokens: &[TokenTree]) -> Option<(usize, Type)> {
    let start = tokens.windows(3).position(|window| {
        matches!(window, [TokenTree::Ident(binding), TokenTree::Ident(name), TokenTree::Punct(colon)]
            if binding == "let" && (name == "__ret" || name == "_") && colon.as_char() == ':')
    })? + 3;
    // A type may have an equals sign of its own: `dyn Iterator<Item = u8>`.
    let body = start
        + tokens[start..].windows(3).position(|window| {
            matches!(window, [TokenTree::Punct(equals), TokenTree::Group(body), TokenTree::Punct(end)]
                if equals.as_char() == '=' && body.delimiter() == Delimiter::Brace && end.as_char() == ';')
        })?
        + 1;
    let ret: TokenStream = tokens[start..body - 1].iter().cloned().collect();
    Some((body, syn::parse2(ret).ok()?))
}

/// A pattern without the `mut` of one of its variables.
fn without_mut(tokens: Vec<TokenTree>, name: &Ident) -> Vec<TokenTree> {
    let mut tokens = tokens.into_iter().peekable();
    let mut without = Vec::new();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "mut" => {
                let is_its_own =
                    matches!(tokens.peek(), Some(TokenTree::Ident(next)) if next == name);
                without.extend((!is_its_own).then_some(TokenTree::Ident(word)));
            }
            TokenTree::Group(group) => {
                let inner = without_mut(group.stream().into_iter().collect(), name);
                let mut stripped = Group::new(group.delimiter(), inner.into_iter().collect());
                stripped.set_span(group.span());
                without.push(TokenTree::Group(stripped));
            }
            other => without.push(other),
        }
    }
    without
}

/// Where `let name = name;` or `let mut name = name;` begins.
fn rebound(tokens: &[TokenTree], name: &Ident) -> Option<usize> {
    tokens.windows(3).position(|window| match window {
        [TokenTree::Ident(binding), TokenTree::Ident(mutability), TokenTree::Ident(variable)]
            if mutability == "mut" =>
        {
            binding == "let" && variable == name
        }
        [TokenTree::Ident(binding), TokenTree::Ident(variable), TokenTree::Punct(equals)] => {
            binding == "let" && variable == name && equals.as_char() == '='
        }
        _ => false,
    })
}

// Input:  let __tracing_instrument_future = async move { async move { body }.await … };
// Output: let __tracing_instrument_future = async { async { body }.await … };
//
/// Lets the body that `#[tracing::instrument]` made borrow its arguments like any other body that may run more
/// than once; an `async move` of the user's own is left alone.
pub(crate) fn borrow_under_instrument(body: &TokenStream) -> TokenStream {
    let mut tokens: Vec<_> = body.clone().into_iter().collect();
    let position = tokens.iter().position(
        |token| matches!(token, TokenTree::Ident(name) if name == "__tracing_instrument_future"),
    );
    let future = position.and_then(|name| match tokens.get(name + 2..name + 5)? {
        [_, _, TokenTree::Group(block)] => Some((name + 2, block.clone())),
        _ => None,
    });
    let Some((place, outer)) = future else { return body.clone() };
    let inner: Vec<_> = outer.stream().into_iter().collect();
    // With `err` or `ret`, the user's block is one level further in, behind one of three heads.
    let head: String = inner.iter().take(6).map(|token| token.to_string() + " ").collect();
    let is_wrapped = head.starts_with("match async move ")
        || head.starts_with("let x = async move ")
        || head.starts_with("let __match_scrutinee = async move");
    let inner = if is_wrapped { without_first_move(inner) } else { inner };
    let mut block = Group::new(Delimiter::Brace, inner.into_iter().collect());
    block.set_span(outer.span());
    tokens[place + 2] = TokenTree::Group(block);
    tokens.remove(place + 1);
    tokens.into_iter().collect()
}

fn without_first_move(mut tokens: Vec<TokenTree>) -> Vec<TokenTree> {
    let movement =
        tokens.iter().position(|token| matches!(token, TokenTree::Ident(word) if word == "move"));
    if let Some(movement) = movement {
        tokens.remove(movement);
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::ToTokens;

    fn expanded() -> TokenStream {
        quote! {
            Box::pin(async move {
                if let Some(__ret) = None::<Result<u8, E>> { return __ret; }
                let __self = self;
                let mut id = id;
                let name = name;
                let __ret: Result<Box<dyn Iterator<Item = u8>>, E> = { __self.inner(id).await };
                __ret
            })
        }
    }

    #[test]
    fn the_body_is_found_in_its_shell() {
        let found = Shell::find(expanded()).unwrap();
        assert_eq!(found.body.to_string(), quote!(__self.inner(id).await).to_string());
        assert!(found.ret.to_token_stream().to_string().starts_with("Result < Box < dyn Iterator"));
        let rebuilt = found.shell.around(quote!(wrapped)).to_string();
        assert_eq!(
            rebuilt,
            expanded().to_string().replace("__self . inner (id) . await", "wrapped")
        );
    }

    #[test]
    fn it_is_found_at_any_depth() {
        let inner = expanded();
        let nested = quote!(static POINT: Point = Point::new(); Box::pin(async move { let future = async move { #inner }; future.await }));
        let found = Shell::find(nested.clone()).unwrap();
        assert_eq!(found.body.to_string(), quote!(__self.inner(id).await).to_string());
        assert_eq!(found.shell.around(found.body).to_string(), nested.to_string());
    }

    #[test]
    fn a_body_without_a_result_is_found() {
        let found = Shell::find(quote!(Box::pin(async move {
            let _: () = { work().await };
        })));
        assert_eq!(found.unwrap().body.to_string(), quote!(work().await).to_string());
        assert!(Shell::find(quote!(make_it())).is_none());
    }

    #[test]
    fn arguments_are_rebound() {
        let mut shell = Shell::find(expanded()).unwrap().shell;
        let (id, name): (Ident, Ident) = (syn::parse_quote!(id), syn::parse_quote!(name));
        assert!(shell.mutability_of(&id).is_some() && shell.mutability_of(&name).is_none());
        shell.rebind(&id, None);
        shell.rebind(&name, Some(Token![mut](Span::call_site())));
        let rebuilt = shell.around(quote!()).to_string();
        assert!(rebuilt.contains("let id = id ; let mut name = name ;"), "{rebuilt}");
    }

    #[test]
    fn a_pattern_is_found_behind_its_name() {
        let shell = Shell::find(quote!(Box::pin(async move {
            let id = id;
            let (mut a, B { c, .. }) = {
                let __arg1 = __arg1;
                __arg1
            };
            let __ret: u8 = { body() };
            __ret
        })));
        let shell = shell.unwrap().shell;
        let pattern = shell.pattern_of(&syn::parse_quote!(__arg1)).unwrap();
        assert_eq!(pattern.to_token_stream().to_string(), quote!((mut a, B { c, .. })).to_string());
        assert!(shell.pattern_of(&syn::parse_quote!(id)).is_none());
    }

    #[test]
    fn an_instrumented_body_borrows() {
        let body = quote! {
            let __tracing_attr_span = span;
            let __tracing_instrument_future = async move {
                match async move { use_it(id, async move { 1 }).await }.await { x => x }
            };
            __tracing_instrument_future.await
        };
        let expected = quote! {
            let __tracing_attr_span = span;
            let __tracing_instrument_future = async {
                match async { use_it(id, async move { 1 }).await }.await { x => x }
            };
            __tracing_instrument_future.await
        };
        assert_eq!(borrow_under_instrument(&body).to_string(), expected.to_string());
    }
}
