"""Real data sets: from the files that are published to those that MMF reads, and checks of these.

What a set is, stands as data in a file of its own (:mod:`.hateful_memes`, :mod:`.mmimdb`,
:mod:`.visual_entailment`, in the terms of :mod:`.description`). Of two sets the raw form is known
(:mod:`.mmimdb_archive`, :mod:`.entailment_files`): :mod:`.convert` brings them into MMF's files.
:mod:`.check` tells whether the files of a set, real or miniature, are fit to train on.
"""
