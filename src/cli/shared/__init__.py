"""What verbs share: the data folder, the operator as caller, the arguments of an actor as options, the audit hook, progress."""
