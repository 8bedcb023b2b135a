//! `name`, `name = value` and `name(…)`: the meta lists that attributes are written in.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::discouraged::Speculative;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Lit, Meta, Path, Token};

use super::errors::{Errors, error, suggestion};
use super::source::source;

/// One element of a meta list.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) path: Path,
    pub(crate) body: ItemBody,
}

#[derive(Clone, Debug)]
pub(crate) enum ItemBody {
    Word,
    Value(Box<Expr>),
    List(TokenStream),
}

impl Item {
    pub(crate) fn name(&self) -> String {
        self.path.get_ident().map(|ident| ident.unraw().to_string()).unwrap_or_default()
    }

    pub(crate) fn span(&self) -> Span {
        self.path.span()
    }

    /// `key = value`, and nothing else.
    pub(crate) fn scalar(&self) -> darling::Result<&Expr> {
        let name = self.name();
        match &self.body {
            ItemBody::Value(expr) => Ok(ungrouped(expr)),
            ItemBody::Word => {
                Err(error(self.span(), format!("`{name}` needs a value: `{name} = …`")))
            }
            ItemBody::List(_) => {
                Err(error(self.span(), format!("`{name}` takes one value: write `{name} = …`")))
            }
        }
    }

    /// `key(code)` or `key = code`.
    pub(crate) fn code<T: Parse>(&self) -> darling::Result<T> {
        let name = self.name();
        match &self.body {
            ItemBody::Value(expr) => Ok(syn::parse2(quote::quote!(#expr))?),
            ItemBody::List(tokens) if !tokens.is_empty() => Ok(syn::parse2(tokens.clone())?),
            _ => Err(error(self.span(), format!("`{name}` needs code: `{name}(…)`"))),
        }
    }

    /// `key(a, b)` or `key = a`, at least one.
    pub(crate) fn list<T>(
        &self,
        parse: fn(syn::parse::ParseStream<'_>) -> syn::Result<T>,
    ) -> darling::Result<Vec<T>> {
        let name = self.name();
        let tokens = match &self.body {
            ItemBody::Value(expr) => quote::quote!(#expr),
            ItemBody::List(tokens) => tokens.clone(),
            ItemBody::Word => TokenStream::new(),
        };
        if tokens.is_empty() {
            return Err(error(self.span(), format!("`{name}` is empty: `{name}(…)`")));
        }
        let parser = |input: syn::parse::ParseStream<'_>| {
            Punctuated::<T, Token![,]>::parse_terminated_with(input, parse)
        };
        Ok(parser.parse2(tokens)?.into_iter().collect())
    }
}

/// What a fragment of `macro_rules!` stands for: it comes in an invisible group.
pub(crate) fn ungrouped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => ungrouped(&group.expr),
        other => other,
    }
}

/// An element of a list: with a key, or code without one.
#[derive(Clone, Debug)]
pub(crate) enum Element {
    Item(Item),
    Unnamed(Expr),
}

/// Reads a list of keys; `unnamed` says what to write for a value without one.
pub(crate) fn items(
    tokens: TokenStream,
    errors: &mut Errors,
    unnamed: impl Fn(&Expr) -> String,
) -> Vec<Item> {
    let elements = elements(tokens, errors).into_iter();
    let items = elements.filter_map(|element| match element {
        Element::Item(item) => Some(item),
        Element::Unnamed(value) => {
            errors.push(value.span(), unnamed(&value));
            None
        }
    });
    items.collect()
}

/// What to write for a value that belongs to this key.
pub(crate) fn needs_key(key: &'static str) -> impl Fn(&Expr) -> String {
    move |value| format!("a value without a key: write `{key} = {}`", source(value))
}

/// Reads a list; each element that cannot be read is an error of its own.
pub(crate) fn elements(tokens: TokenStream, errors: &mut Errors) -> Vec<Element> {
    let parser = |input: ParseStream<'_>| {
        let mut elements = Vec::new();
        while !input.is_empty() {
            match element(input).and_then(|element| end_of(input).map(|()| element)) {
                Ok(element) => elements.push(element),
                Err(error) => {
                    errors.extend([error.into()]);
                    up_to_comma(input)?;
                }
            }
            input.parse::<Option<Token![,]>>()?;
        }
        Ok(elements)
    };
    parser.parse2(tokens).unwrap_or_default()
}

fn element(input: ParseStream<'_>) -> syn::Result<Element> {
    let ahead = input.fork();
    let Ok(path) = ahead.call(Path::parse_mod_style) else { return unnamed(input) };
    if ahead.peek(Token![:]) && !ahead.peek(Token![::]) {
        ahead.parse::<Token![:]>()?;
        let value = source(&up_to_comma(&ahead)?);
        return Err(syn::Error::new(path.span(), format!("write `{} = {value}`", source(&path))));
    }
    let body = if ahead.peek(Token![=]) && !ahead.peek(Token![==]) && !ahead.peek(Token![=>]) {
        ahead.parse::<Token![=]>()?;
        ItemBody::Value(Box::new(ahead.parse()?))
    } else if ahead.peek(syn::token::Paren) {
        let group: Group = ahead.parse()?;
        ItemBody::List(group.stream())
    } else {
        ItemBody::Word
    };
    if end_of(&ahead).is_err() {
        return unnamed(input);
    }
    input.advance_to(&ahead);
    Ok(Element::Item(Item { path, body }))
}

fn unnamed(input: ParseStream<'_>) -> syn::Result<Element> {
    input.parse().map(Element::Unnamed)
}

fn end_of(input: ParseStream<'_>) -> syn::Result<()> {
    if input.is_empty() || input.peek(Token![,]) {
        Ok(())
    } else {
        Err(input.error("expected `,`"))
    }
}

fn up_to_comma(input: ParseStream<'_>) -> syn::Result<TokenStream> {
    let mut tokens = TokenStream::new();
    while end_of(input).is_err() {
        tokens.extend([input.parse::<TokenTree>()?]);
    }
    Ok(tokens)
}

/// Whether an attribute has this name, by whatever path.
pub(crate) fn is_named(attribute: &syn::Attribute, name: &str) -> bool {
    attribute.path().segments.last().is_some_and(|segment| segment.ident == name)
}

/// The tokens between the parentheses of an attribute.
pub(crate) fn attribute_tokens(attribute: &syn::Attribute) -> TokenStream {
    match &attribute.meta {
        Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    }
}

/// A type that is written behind a key.
pub(crate) trait FromItem: Sized {
    fn from_item(item: &Item) -> darling::Result<Self>;
}

/// Code behind a key: a path, a closure, an expression.
#[derive(Clone, Debug)]
pub(crate) struct Code(pub(crate) Expr);

impl FromItem for Code {
    fn from_item(item: &Item) -> darling::Result<Self> {
        item.code().map(Self)
    }
}

/// A function behind a key: a path, a closure.
#[derive(Clone, Debug)]
pub(crate) struct Callee(pub(crate) Code);

impl FromItem for Callee {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let code = Code::from_item(item)?;
        if let Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) = ungrouped(&code.0) {
            let (name, path) = (item.name(), text.value());
            return Err(error(text.span(), format!("a path, not a text: write `{name}({path})`")));
        }
        Ok(Self(code))
    }
}

/// A name behind a key: a text, or an expression that is one when the program is compiled.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Text(Text),
    Const(Box<Expr>),
}

impl FromItem for Name {
    fn from_item(item: &Item) -> darling::Result<Self> {
        match item.scalar()? {
            Expr::Lit(_) => Text::from_item(item).map(Self::Text),
            code => Ok(Self::Const(Box::new(code.clone()))),
        }
    }
}

impl Name {
    pub(crate) fn span(&self) -> Span {
        match self {
            Self::Text(text) => text.span,
            Self::Const(code) => code.span(),
        }
    }
}

impl ToTokens for Name {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match self {
            Self::Text(text) => text.text.to_tokens(tokens),
            Self::Const(code) => code.to_tokens(tokens),
        }
    }
}

/// A text behind a key.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) text: String,
    pub(crate) span: Span,
}

impl FromItem for Text {
    fn from_item(item: &Item) -> darling::Result<Self> {
        let name = item.name();
        match item.scalar()? {
            Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. })
                if !text.value().is_empty() =>
            {
                Ok(Self { text: text.value(), span: text.span() })
            }
            other => Err(error(other.span(), format!("expected a text: `{name} = \"…\"`"))),
        }
    }
}

/// Names behind a key.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names(pub(crate) Vec<Ident>);

impl FromItem for Names {
    fn from_item(item: &Item) -> darling::Result<Self> {
        item.list(Ident::parse_any).map(Self)
    }
}

/// A key without a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(pub(crate) Span);

impl FromItem for Flag {
    fn from_item(item: &Item) -> darling::Result<Self> {
        match item.body {
            ItemBody::Word => Ok(Self(item.span())),
            _ => Err(error(item.span(), format!("`{}` takes no value", item.name()))),
        }
    }
}

/// Tokens behind a key, for whoever understands them.
#[derive(Clone, Debug)]
pub(crate) struct Tokens(pub(crate) TokenStream);

impl FromItem for Tokens {
    fn from_item(item: &Item) -> darling::Result<Self> {
        match &item.body {
            ItemBody::List(tokens) if !tokens.is_empty() => Ok(Self(tokens.clone())),
            _ => {
                let name = item.name();
                Err(error(item.span(), format!("`{name}` needs a list: `{name}(…)`")))
            }
        }
    }
}

/// A path behind a key.
#[derive(Clone, Debug)]
pub(crate) struct PathValue(pub(crate) Path);

impl FromItem for PathValue {
    fn from_item(item: &Item) -> darling::Result<Self> {
        item.code().map(Self)
    }
}

/// What is said of a key that is none of these.
pub(crate) fn unknown_key(wrong: &Item, keys: &[&str]) -> String {
    let wrong = source(&wrong.path);
    format!("unknown key `{wrong}`{}", suggestion(&wrong, keys))
}

/// The path of what expansions call: in the facade, or where `crate = path` says that it is.
pub(crate) fn runtime(krate: Option<&PathValue>) -> TokenStream {
    match krate {
        Some(PathValue(krate)) => quote!(#krate::__private),
        None => quote!(::mmf::__private),
    }
}

/// Declares the keys of a group: a struct with an optional field for each, and `read`, which fills it
/// from a meta list with an error for each unknown or doubled key.
macro_rules! keys {
    (
        $(#[$attribute:meta])*
        struct $name:ident { $($field:ident $(as $key:literal)?: $type:ty),* $(,)? }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, Default)]
        pub(crate) struct $name {
            $(pub(crate) $field: Option<$type>,)*
        }

        impl $name {
            pub(crate) const KEYS: &[&str] = &[$($crate::common::keys::key_name!($field $($key)?)),*];

            /// `unknown` says what is wrong with a key that is none of these.
            pub(crate) fn read(
                items: Vec<$crate::common::keys::Item>,
                errors: &mut $crate::common::errors::Errors,
                unknown: impl Fn(&$crate::common::keys::Item, &[&str]) -> String,
            ) -> Self {
                let mut keys = Self::default();
                for item in items {
                    match item.name().as_str() {
                        $($crate::common::keys::key_name!($field $($key)?) => {
                            if keys.$field.is_some() {
                                errors.push(item.span(), format!("`{}` is written twice", item.name()));
                            }
                            let value = $crate::common::keys::FromItem::from_item(&item);
                            keys.$field = errors.keep(value).or(keys.$field);
                        })*
                        _ => errors.push(item.span(), unknown(&item, Self::KEYS)),
                    }
                }
                keys
            }
        }
    };
}

macro_rules! key_name {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}

pub(crate) use {key_name, keys};

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn read(tokens: TokenStream) -> (Vec<String>, Vec<String>) {
        let mut errors = Errors::default();
        let elements = elements(tokens, &mut errors);
        let names = elements.iter().map(|element| match element {
            Element::Item(item) => item.name(),
            Element::Unnamed(value) => format!("= {}", source(value)),
        });
        (names.collect(), errors.messages())
    }

    #[test]
    fn a_list_has_keys_and_code() {
        let tokens = quote!(
            a,
            crate = x::y,
            b(c = 1, d),
            f = |a, b: HashMap<K, V>| a == b,
            "x",
            self.y,
            z::<u8>
        );
        let (names, errors) = read(tokens);
        assert_eq!(names, ["a", "crate", "b", "f", "= \"x\"", "= self.y", "= z::< u8 >"]);
        assert_eq!(errors, [""; 0]);
    }

    #[test]
    fn each_element_that_is_wrong_is_told() {
        let (names, errors) = read(quote!(timeout: "1s", a, b = , c d, retry));
        assert_eq!(names, ["a", "retry"]);
        assert_eq!(errors.len(), 3, "{errors:?}");
        assert_eq!(errors[0], "write `timeout = \"1s\"`");
    }
}
