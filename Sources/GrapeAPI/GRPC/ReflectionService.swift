import Foundation
import GRPCCore
import GRPCProtobuf
import GrapeProto
import SwiftProtobuf

/// Reflection, by which tools such as grpcurl learn what this server offers, in its versions v1 and v1alpha. The older
/// one has the same messages under another name.
struct ReflectionService: RegistrableRPCService {
    private typealias Request = Grpc_Reflection_V1_ServerReflectionRequest
    private typealias Response = Grpc_Reflection_V1_ServerReflectionResponse

    private static let services = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]

    private let files = DescriptorFiles(base64: Descriptors.fileSet)

    func registerMethods<Transport: ServerTransport>(with router: inout RPCRouter<Transport>) {
        for service in Self.services {
            router.registerHandler(
                forMethod: MethodDescriptor(
                    service: ServiceDescriptor(fullyQualifiedService: service), method: "ServerReflectionInfo"),
                deserializer: ProtobufDeserializer<Request>(), serializer: ProtobufSerializer<Response>()
            ) { request, _ in
                StreamingServerResponse { writer in
                    for try await question in request.messages {
                        try await writer.write(answer(question))
                    }
                    return [:]
                }
            }
        }
    }

    private func answer(_ question: Request) -> Response {
        var answer = Response()
        answer.validHost = question.host
        answer.originalRequest = question
        switch question.messageRequest {
        case .listServices:
            answer.listServicesResponse.service = files.services.map { name in .with { $0.name = name } }
        case .fileByFilename(let name): answer.give(files.file(named: name))
        case .fileContainingSymbol(let symbol): answer.give(files.file(defining: symbol))
        case .fileContainingExtension, .allExtensionNumbersOfType: answer.give(nil)
        case nil: answer.refuse(.invalidArgument, "the request asks nothing")
        }
        return answer
    }
}

extension Grpc_Reflection_V1_ServerReflectionResponse {
    fileprivate mutating func give(_ file: Data?) {
        if let file {
            fileDescriptorResponse.fileDescriptorProto = [file]
        } else {
            refuse(.notFound, "there is no such file or symbol")
        }
    }

    fileprivate mutating func refuse(_ code: RPCError.Code, _ message: String) {
        errorResponse.errorCode = Int32(code.rawValue)
        errorResponse.errorMessage = message
    }
}

/// The files of protos/ by their names and by what they define. None of them imports another.
private struct DescriptorFiles {
    private(set) var services: [String] = []
    private var files: [String: Data] = [:]
    private var fileOfSymbol: [String: String] = [:]

    init(base64 text: String) {
        guard let bytes = Data(base64Encoded: text),
            let set = try? Google_Protobuf_FileDescriptorSet(serializedBytes: bytes)
        else { preconditionFailure("the generated descriptors can't be read") }
        for file in set.file { add(file) }
        services.sort()
    }

    func file(named name: String) -> Data? { files[name] }

    func file(defining symbol: String) -> Data? { fileOfSymbol[symbol].flatMap { files[$0] } }

    private mutating func add(_ file: Google_Protobuf_FileDescriptorProto) {
        files[file.name] = try? file.serializedBytes()
        for service in file.service {
            let name = file.package + "." + service.name
            services.append(name)
            fileOfSymbol[name] = file.name
            for method in service.method { fileOfSymbol[name + "." + method.name] = file.name }
        }
        for message in file.messageType { add(message, in: file.package, of: file) }
        for choice in file.enumType { fileOfSymbol[file.package + "." + choice.name] = file.name }
    }

    private mutating func add(
        _ message: Google_Protobuf_DescriptorProto, in scope: String, of file: Google_Protobuf_FileDescriptorProto
    ) {
        let name = scope + "." + message.name
        fileOfSymbol[name] = file.name
        for field in message.field { fileOfSymbol[name + "." + field.name] = file.name }
        for choice in message.enumType { fileOfSymbol[name + "." + choice.name] = file.name }
        for inner in message.nestedType { add(inner, in: name, of: file) }
    }
}
