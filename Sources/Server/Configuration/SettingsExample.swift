extension Setting {
    /// The text of `patchbay.env.example`: every name with its default, as comments. A test holds the file to it.
    public static var exampleFile: String {
        var lines = [
            "# Every setting. Copy to patchbay.env, uncomment what you need: patchbay serve --config patchbay.env",
            "# Flags win over the environment, the environment wins over this file.",
            "# Each name can also be given as NAME_FILE (a file that holds the value) or NAME_COMMAND (a command that",
            "# prints it within 10 s). Made from the code: do not edit it by hand.",
        ]
        for group in table where group.settings.contains(where: { $0.standing != .handed }) {
            lines += ["", "# " + group.title]
            for setting in group.settings where setting.standing != .handed {
                if setting.standing != .known {
                    lines.append("# " + setting.what + (setting.standing == .checked ? " Checked, not used yet." : ""))
                }
                lines.append("#\(setting.name)=\(setting.usual ?? (setting.standing == .known ? "" : setting.example))")
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
