"""Miniature data sets: generated pictures and sentences in the files that MMF's builders read.

A set is one file (:mod:`.hateful_memes`, :mod:`.mmimdb`, :mod:`.visual_entailment`) that drafts its
samples and names its files (:mod:`.data_set`); the rest is shared: what pictures and sentences are
made of (:mod:`.pictures`, :mod:`.sentences`), the unimodally pretrained encoders
(:mod:`.picture_encoder`, :mod:`.text_encoder`), MMF's files (:mod:`.feature_store`,
:mod:`.version_marks`) and the folder that holds them (:mod:`.make`).

They stand in for the real data where it cannot be had. A number from them says nothing about the
real set of the same name.
"""
