//! What a URL says about a connection: how many of the kind, whose it is, which channels it is in.

use std::{num::NonZeroU32, sync::Arc};

use crate::{ChannelName, ConnectionTypeSpec, OnLimit, TypeError, TypeFault, UrlError};

mod path;
mod places;
mod template;
#[cfg(test)]
mod tests;
mod tunnel;

use path::{PathPattern, decode};
pub use places::{Entered, Place, Places, TypeFull};
use template::Template;
use tunnel::TunnelTemplate;

/// The parameter that names the owner.
const USER_ID: &str = "user_id";

/// All connection types, ready to be asked.
#[derive(Clone, Debug, Default)]
pub struct ConnectionTypes {
    /// The one that says most about a path first.
    types: Box<[ConnectionType]>,
}

/// One connection type, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionType {
    path: PathPattern,
    max: Option<NonZeroU32>,
    /// The parameter by whose value connections are counted.
    per: Option<usize>,
    /// The parameter that must be the caller's user.
    owner: Option<usize>,
    channels: Box<[Template]>,
    on_limit: OnLimit,
    tunnel: Option<TunnelTemplate>,
}

/// A URL that one of the types means, with the values of its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target<'t> {
    kind: &'t ConnectionType,
    values: Vec<Box<str>>,
    channels: Vec<ChannelName>,
}

impl ConnectionTypes {
    /// Checks what was written. Without any type, no URL means one.
    ///
    /// # Errors
    ///
    /// All faults of all types, each with the index of its type.
    pub fn compile(specs: &[ConnectionTypeSpec]) -> Result<Self, Vec<TypeFault>> {
        let mut faults = Vec::new();
        let mut types: Vec<(usize, ConnectionType)> = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let mut fault = |error| faults.push(TypeFault { index, error });
            let Some(kind) = ConnectionType::check(spec, &mut fault) else { continue };
            let twin = types.iter().find(|(_, other)| other.path.has_shape_of(&kind.path));
            if let Some((first, _)) = twin {
                fault(TypeError::Duplicate { first: *first });
            }
            types.push((index, kind));
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        types.sort_by_key(|(_, kind)| kind.path.vagueness());
        Ok(Self { types: types.into_iter().map(|(_, kind)| kind).collect() })
    }

    /// The type that a URL's path means, if any. What follows a `?` is not looked at: a token there must not
    /// become part of a channel's name.
    ///
    /// Segments are compared as they are written, so that one path is spelled in one way: with an empty
    /// segment, a slash at the end, or a literal segment that is percent-encoded it is another one. Only
    /// the values of parameters are decoded, each by itself: an encoded slash is part of the value.
    ///
    /// # Errors
    ///
    /// A type means it, and the value of a parameter cannot be used.
    pub fn target(&self, path: &str) -> Result<Option<Target<'_>>, UrlError> {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let found = self.types.iter().find_map(|kind| Some((kind, kind.path.matches(path)?)));
        let Some((kind, encoded)) = found else { return Ok(None) };
        let parameters = kind.path.parameters();
        let decoded = encoded.into_iter().zip(parameters).map(|(encoded, parameter)| {
            let value = decode(encoded).filter(|value| crate::name::is_name_part(value));
            value
                .map(|value| Box::<str>::from(&*value))
                .ok_or_else(|| UrlError { parameter: parameter.into() })
        });
        let values: Vec<Box<str>> = decoded.collect::<Result<_, _>>()?;
        let channels = kind.channels.iter().map(|template| {
            template.channel(&values).map_err(|index| UrlError {
                parameter: kind.path.parameters().nth(index).unwrap_or_default().into(),
            })
        });
        let channels = channels.collect::<Result<_, _>>()?;
        Ok(Some(Target { kind, values, channels }))
    }

    /// The types, the one that says most about a path first.
    #[must_use]
    pub const fn types(&self) -> &[ConnectionType] {
        &self.types
    }
}

impl ConnectionType {
    fn check(spec: &ConnectionTypeSpec, fault: &mut impl FnMut(TypeError)) -> Option<Self> {
        let path = match PathPattern::parse(&spec.path) {
            Ok(path) => path,
            Err(error) => {
                fault(TypeError::Path(error));
                return None;
            }
        };
        if spec.max == Some(0) {
            fault(TypeError::MaxZero);
        }
        let mut parameter = |name: &str| {
            let index = path.parameter(name);
            if index.is_none() {
                fault(TypeError::UnknownParameter { name: name.into() });
            }
            index
        };
        let per = spec.per.as_deref().and_then(&mut parameter);
        let owner = spec.owner.then_some(USER_ID).and_then(&mut parameter);
        if per.is_some() && spec.max.is_none() {
            fault(TypeError::PerWithoutMax);
        }
        let mut channels = Vec::new();
        for text in &spec.channels {
            match Template::parse(text, &path) {
                Ok(template) => channels.push(template),
                Err(error) => fault(error),
            }
        }
        if spec.tunnel.is_some() && !spec.channels.is_empty() {
            fault(TypeError::TunnelInChannels);
        }
        let tunnel = spec.tunnel.as_deref().map(|text| TunnelTemplate::parse(text, &path));
        let tunnel = tunnel.transpose().unwrap_or_else(|error| {
            fault(error);
            None
        });
        Some(Self {
            max: spec.max.and_then(NonZeroU32::new),
            per,
            owner,
            channels: channels.into(),
            on_limit: spec.on_limit,
            tunnel,
            path,
        })
    }

    /// The URL pattern as it was written.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.as_str()
    }

    /// How many connections there may be at once for each key.
    #[must_use]
    pub const fn max(&self) -> Option<NonZeroU32> {
        self.max
    }

    /// What happens when one more comes.
    #[must_use]
    pub const fn on_limit(&self) -> OnLimit {
        self.on_limit
    }

    /// Whether only the user who is named in the URL may use it, so that who it is must be known first.
    #[must_use]
    pub const fn is_owned(&self) -> bool {
        self.owner.is_some()
    }

    /// Whether its connections are tunnels.
    #[must_use]
    pub const fn is_tunnel(&self) -> bool {
        self.tunnel.is_some()
    }
}

impl Target<'_> {
    /// The type.
    #[must_use]
    pub const fn kind(&self) -> &ConnectionType {
        self.kind
    }

    /// The value of a parameter, decoded.
    #[must_use]
    pub fn value(&self, parameter: &str) -> Option<&str> {
        self.kind.path.parameter(parameter).map(|index| &*self.values[index])
    }

    /// Whether `user_id` may use it: always, unless the URL names another owner.
    #[must_use]
    pub fn admits(&self, user_id: Option<&str>) -> bool {
        self.kind.owner.is_none_or(|owner| user_id == Some(&*self.values[owner]))
    }

    /// The channels that the connection is in by itself. Whether it may be is the rules' to say.
    #[must_use]
    pub fn channels(&self) -> &[ChannelName] {
        &self.channels
    }

    /// The address to which it is a tunnel, with the values of the URL in it; `None` if it is none. Whether
    /// there may be a tunnel to that address is for a list of addresses to say, and never for the URL.
    #[must_use]
    pub fn tunnel(&self) -> Option<String> {
        self.kind.tunnel.as_ref().map(|template| template.address(&self.values))
    }

    /// By what connections are counted. No path contains a space.
    fn key(&self) -> Arc<str> {
        let value = self.kind.per.map_or("", |per| &self.values[per]);
        [self.kind.path(), " ", value].concat().into()
    }
}
