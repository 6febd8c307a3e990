"""Miniature data sets: generated pictures and sentences in the files that MMF's builders read.

A set is one file (`.hateful_memes`, `.mmimdb`, `.visual_entailment`) that drafts its
samples and names its files (`.data_set`); the rest is shared: what pictures and sentences are
made of (`.pictures`, `.sentences`), the unimodally pretrained encoders
(`.picture_encoder`, `.text_encoder`), MMF's files (`.feature_store`,
`.version_marks`) and the folder that holds them (`.make`).

They stand in for the real data where it cannot be had. A number from them says nothing about the
real set of the same name.
"""
