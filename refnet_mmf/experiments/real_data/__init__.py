"""Real data sets: from the files that are published to those that MMF reads, and checks of these.

What a set is, stands as data in a file of its own (`.hateful_memes`, `.mmimdb`,
`.visual_entailment`, in the terms of `.description`). Of two sets the raw form is known
(`.mmimdb_archive`, `.entailment_files`): `.convert` brings them into MMF's files.
`.check` tells whether the files of a set, real or miniature, are fit to train on.
"""
