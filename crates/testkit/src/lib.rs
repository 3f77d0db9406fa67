//! What tests share: tiny images, tiny ISOs, scripted programs.
