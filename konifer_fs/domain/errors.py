"""Everything that can be refused or fail, named as facts.

Each leaf's docstring is its message; `detail` adds what the caller knows (a name, a limit, a cause).
`fuse/errnos.py` is the one place that turns them into errnos. No message ever carries a secret.
"""


class KoniferFsError(Exception):
    """Something was refused or failed."""

    def __init__(self, detail: str = "") -> None:
        self.detail = detail
        fact = (type(self).__doc__ or "").strip().rstrip(".")
        super().__init__(f"{fact}: {detail}" if detail else fact)


# What a name denotes, or may not denote.
class NoSuchName(KoniferFsError):
    """Nothing has this name."""


class NameTaken(KoniferFsError):
    """The name is taken."""


class NameReserved(KoniferFsError):
    """The name is reserved."""


class NameTooLong(KoniferFsError):
    """The name or path is too long."""


class NameNotText(KoniferFsError):
    """The name is not valid UTF-8."""


class IsADirectory(KoniferFsError):
    """This is a directory."""


class NotADirectory(KoniferFsError):
    """This is not a directory."""


class NotASymlink(KoniferFsError):
    """This is not a symbolic link."""


class DirectoryNotEmpty(KoniferFsError):
    """The directory is not empty."""


class MoveIntoItself(KoniferFsError):
    """A directory cannot be moved into itself."""


class MoveUnsupported(KoniferFsError):
    """This kind of rename is not supported."""


class KindUnsupported(KoniferFsError):
    """Hard links, devices, FIFOs and sockets cannot be made here."""


class ReadOnly(KoniferFsError):
    """This cannot be changed."""


class MovedOn(KoniferFsError):
    """What was looked up is no longer there."""


class AccessDenied(KoniferFsError):
    """The permissions do not allow this."""


class NotOwner(KoniferFsError):
    """Root is nobody here, and only the owner may do this."""


class VariantForbidden(KoniferFsError):
    """This path's configuration does not allow the variant."""


class ExpressionMalformed(KoniferFsError):
    """This asks for no variant that can be made."""


# Contents.
class WrongMediumType(KoniferFsError):
    """The content is not an image of a type that this path takes."""


class NotWhole(KoniferFsError):
    """The image is not complete."""


class ContentTooLarge(KoniferFsError):
    """The content is over a limit."""


class ContentUnreadable(KoniferFsError):
    """The content cannot be read."""


class ObjectMissing(KoniferFsError):
    """The object is missing from the object store."""


# Attributes.
class NoSuchAttribute(KoniferFsError):
    """The attribute is not set."""


class AttributeExists(KoniferFsError):
    """The attribute is set already."""


class AttributeNamespaceUnsupported(KoniferFsError):
    """Attributes of this namespace are not kept."""


class FactReadOnly(KoniferFsError):
    """This attribute is a fact and cannot be set."""


class AttributeMalformed(KoniferFsError):
    """The attribute's value is malformed."""


class AttributeContradicted(KoniferFsError):
    """An attribute has one value only."""


class TextTooLong(KoniferFsError):
    """The text is too long."""


class TooManyAttributes(KoniferFsError):
    """There are too many labels, tags or private attributes."""


# Resources and stores.
class SpoolFull(KoniferFsError):
    """The spool is full."""


class StoreUnreachable(KoniferFsError):
    """A store cannot be reached or did not answer in time."""


class OutcomeUnknown(StoreUnreachable):
    """What was sent to a store may have been done: it did not answer."""


class StoreRefused(KoniferFsError):
    """A store refused a request."""


class StoreFull(KoniferFsError):
    """The object store is full."""


class DialectUnclear(KoniferFsError):
    """It is not clear as which Konifer to write to the database."""


class SchemaMismatch(KoniferFsError):
    """The database is not as this version needs it."""


class SpoolInUse(KoniferFsError):
    """The spool belongs to another mount."""
