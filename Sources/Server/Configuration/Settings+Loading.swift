import Configuration
import Kit

extension Settings {
    /// Reads flags over environment over file.
    ///
    /// - Parameters:
    ///   - flags: by the setting's name: `["PATCHBAY_LISTEN": "127.0.0.1:0"]`.
    ///   - file: path of `NAME=value` lines.
    ///   - isDemo: a test instance that may speak plain http.
    /// - Throws: the first fault, as one line.
    public static func load(
        flags: [String: String] = [:], environment: [String: String], file: String? = nil, isDemo: Bool = false
    ) throws(BadSetting) -> Settings {
        var layers = [SettingsLayer(name: "flags", values: flags)]
        layers.append(try SettingsLayer(environment: environment))
        if let file { layers.append(try SettingsLayer(file: file)) }
        let values = try SettingsValues(layers)
        var settings = try Settings(values, isDemo: isDemo)
        settings.given = values.given
        return settings
    }
}

/// The values of all layers, read by declared name.
struct SettingsValues {
    private let reader: ConfigReader
    /// Where each comes from.
    let given: [String: GivenSetting]

    init(_ layers: [SettingsLayer]) throws(BadSetting) {
        var found = Set<String>()
        var providers: [any ConfigProvider] = []
        var given: [String: GivenSetting] = [:]
        for layer in layers {
            // What a higher layer says is not looked for below: its file is not read, its command does not run.
            let values = try layer.resolved(but: found)
            found.formUnion(values.keys)
            for (name, value) in values {
                let isSecret = Setting.named(name)?.isSecret ?? true
                given[name] = GivenSetting(source: layer.name, value: isSecret ? nil : value)
            }
            providers.append(InMemoryProvider(name: layer.name, values: Self.provided(values)))
        }
        reader = ConfigReader(providers: providers)
        self.given = given
    }

    private static func provided(_ values: [String: String]) -> [AbsoluteConfigKey: ConfigValue] {
        var provided: [AbsoluteConfigKey: ConfigValue] = [:]
        for (name, value) in values {
            let isSecret = Setting.named(name)?.isSecret ?? true
            provided[AbsoluteConfigKey([name], context: [:])] = ConfigValue(.string(value), isSecret: isSecret)
        }
        return provided
    }

    /// Nil where it is not set or set to nothing.
    func text(_ name: String) -> String? {
        let isSecret = Setting.named(name)?.isSecret ?? true
        return reader.string(forKey: ConfigKey([name]), isSecret: isSecret).flatMap { $0.isEmpty ? nil : $0 }
    }
}
