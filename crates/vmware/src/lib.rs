//! VMX and VMDK as values, and the vmrun command language.
