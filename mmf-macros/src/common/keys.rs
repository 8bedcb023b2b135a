//! `name`, `name = value` and `name(…)`: the meta lists that attributes are written in.

use darling::ast::NestedMeta;
use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Expr, Ident, Meta, Path, Token};

use super::errors::{Errors, error};

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

/// Reads a meta list; literals without a name are errors.
pub(crate) fn items(tokens: TokenStream, errors: &mut Errors) -> Vec<Item> {
    let Some(list) = errors.keep(NestedMeta::parse_meta_list(tokens).map_err(Into::into)) else {
        return Vec::new();
    };
    list.into_iter()
        .filter_map(|nested| match nested {
            NestedMeta::Meta(Meta::Path(path)) => Some(Item { path, body: ItemBody::Word }),
            NestedMeta::Meta(Meta::List(list)) => {
                Some(Item { path: list.path, body: ItemBody::List(list.tokens) })
            }
            NestedMeta::Meta(Meta::NameValue(pair)) => {
                Some(Item { path: pair.path, body: ItemBody::Value(Box::new(pair.value)) })
            }
            NestedMeta::Lit(lit) => {
                errors.push(lit.span(), "a value without a key: write `key = value`");
                None
            }
            NestedMeta::NameValueInvalidExpr(pair) => {
                errors.extend([pair.error]);
                None
            }
        })
        .collect()
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

            pub(crate) fn read(
                items: Vec<$crate::common::keys::Item>,
                errors: &mut $crate::common::errors::Errors,
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
                        wrong => {
                            let wrong = if wrong.is_empty() { $crate::common::value::source(&item.path) } else { wrong.into() };
                            let hint = $crate::common::errors::suggestion(&wrong, Self::KEYS);
                            errors.push(item.span(), format!("unknown key `{wrong}`{hint}"));
                        }
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
