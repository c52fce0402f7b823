/// Keys made by openssl for these tests, and used nowhere else.
enum KeyFixtures {
    static let rsaPrivate = """
        -----BEGIN PRIVATE KEY-----
        MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQC7NXUwT7mTUwt5
        58Idt1XOF74HUr3dE0Rkv1ecsA6jBUUmUUms1XX7ffPl0KwNSfJ3X6zJXhhrqYK5
        T5uN/1o511KuCbkG4cFwJrdlZMOKm/ECLxJvlL9sh6TD0XdN3bR8WiZyXS5UoRfK
        izcb/NkmgFyReZii16rUvP1DivrYl/8XWZGxI4CJXVdaxDIPbhMJmYIgwA20bTZP
        yx5R00DdEqdwIoaFk1drG9nhTN8YtmGI/EUiXf9/0NzpVBcVj4gqa6kNo9Mjv0FC
        +OPpvPmDfTprkOOEECwFTgKszyj3K9Km1PDuSQtDZ/pa7ZY2PUj9zAPogHyHiHqn
        b/NnWLj7AgMBAAECggEAAi4vIBoj3wIusI60CBWdg8qMZDnKp8t4yKDT+crdlaVb
        SP98gTssoJvYKBId8apf3OzDpkCV9csNMdpLrxSS0J+Pe6h7azRnqQ6P8oXaGCRo
        eVPG2fmrzOpoOQoTKzbqAgPl6YT+v8FpnKeyFuHhzqEqMA84lfl58O09tIOCvwj0
        fPWulfXkwUnOJEAn8w7baSiqID4iexreB9Y2aG9cIcELaa2uyrveo7iCeDws4mws
        LbneADXAViIbLDhooB40sKeXKTyuaU7ib91rPx9epVSbdtHWUNX8qDu2iNNalVKR
        GHNeBmNG+gAwNknpeCeVVScUi2x9eDTkY/BQDi1b4QKBgQD+L2+rVpUJtRLYP0vB
        /NywyaUu8T4ICZLJvoeTEcf7I/S8hGBoFzKj2wgCjKjEO5au0g/S4MBGl9LZrdMR
        YR6azVQmWAEI96Qa6evkbHps8h50zoG/47B86nQRZIz1uwXRXNt7Keid9712Rs0j
        YcHNZsPt5r0NDvIHRQFzBN9LVwKBgQC8i5yI6oX4iF1aQTIz2bDArUsffqEhbIPz
        n0wujfXK63ekeysgN1tmTKT74rcJMbHAxr6EdTPZbvWzTTN0WcidQPExW0fqopn7
        Mk+sP8ezh3jAuy+2phrhsEd8nw70EpVbrSa1Za62L06qgJqNFZKqPRGMkFGwRc8P
        xhxvvihc/QKBgEnB6Ax21k53zZ0UWN5UipF+IcGKXS6l4INMFzkU2svENjsRyovJ
        13b2ks9yk3JFvEbES7UsZH7XhWaG6w1K+j9/P2DU/o/klCj/IeUpmSjN5QqN9daB
        sm+89KsrWz/e4iRLZqDJm2djQQX2K4aN0lfQ7x+0ab1FTfPQEUiX7FeHAoGADl4N
        JZnJb7DkfDYvnyfdgjEyYkoB+UwNmgjvgzSqIDZlPZFtLd1KB7ebct5J2FeDFg+P
        AQT1WIJOEsW1QA5/bQw/1OUBy+1sEmo5DAUoMJQILZeWATMTJVOLfwGX4B1yaDP/
        mR8Qey2Lrw5xuIKGVJamubFdqDMJnkgYbqNs6/kCgYAQR8xEy/6uM9vYViNZF9hJ
        lb1w6aYiR7/3yKzOAmliyS3E+zcjH62jz1N5QBMizvb3RRxvuJ4S9aLdIZGBJmq1
        wvqUgoehSz9GIHm6YTocUkSGLubpHpD8cdIdsb1fpV3iLEQbIFtieZ2t29j3gJxf
        7bJpskhdc4OfikDGb41fsw==
        -----END PRIVATE KEY-----

        """

    static let rsaPublic = """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuzV1ME+5k1MLeefCHbdV
        zhe+B1K93RNEZL9XnLAOowVFJlFJrNV1+33z5dCsDUnyd1+syV4Ya6mCuU+bjf9a
        OddSrgm5BuHBcCa3ZWTDipvxAi8Sb5S/bIekw9F3Td20fFomcl0uVKEXyos3G/zZ
        JoBckXmYoteq1Lz9Q4r62Jf/F1mRsSOAiV1XWsQyD24TCZmCIMANtG02T8seUdNA
        3RKncCKGhZNXaxvZ4UzfGLZhiPxFIl3/f9Dc6VQXFY+IKmupDaPTI79BQvjj6bz5
        g306a5DjhBAsBU4CrM8o9yvSptTw7kkLQ2f6Wu2WNj1I/cwD6IB8h4h6p2/zZ1i4
        +wIDAQAB
        -----END PUBLIC KEY-----

        """

    static let rsaPublicPKCS1 = """
        -----BEGIN RSA PUBLIC KEY-----
        MIIBCgKCAQEAuzV1ME+5k1MLeefCHbdVzhe+B1K93RNEZL9XnLAOowVFJlFJrNV1
        +33z5dCsDUnyd1+syV4Ya6mCuU+bjf9aOddSrgm5BuHBcCa3ZWTDipvxAi8Sb5S/
        bIekw9F3Td20fFomcl0uVKEXyos3G/zZJoBckXmYoteq1Lz9Q4r62Jf/F1mRsSOA
        iV1XWsQyD24TCZmCIMANtG02T8seUdNA3RKncCKGhZNXaxvZ4UzfGLZhiPxFIl3/
        f9Dc6VQXFY+IKmupDaPTI79BQvjj6bz5g306a5DjhBAsBU4CrM8o9yvSptTw7kkL
        Q2f6Wu2WNj1I/cwD6IB8h4h6p2/zZ1i4+wIDAQAB
        -----END RSA PUBLIC KEY-----

        """

    static let rsaPrivatePKCS1 = """
        -----BEGIN RSA PRIVATE KEY-----
        MIIEogIBAAKCAQEAuzV1ME+5k1MLeefCHbdVzhe+B1K93RNEZL9XnLAOowVFJlFJ
        rNV1+33z5dCsDUnyd1+syV4Ya6mCuU+bjf9aOddSrgm5BuHBcCa3ZWTDipvxAi8S
        b5S/bIekw9F3Td20fFomcl0uVKEXyos3G/zZJoBckXmYoteq1Lz9Q4r62Jf/F1mR
        sSOAiV1XWsQyD24TCZmCIMANtG02T8seUdNA3RKncCKGhZNXaxvZ4UzfGLZhiPxF
        Il3/f9Dc6VQXFY+IKmupDaPTI79BQvjj6bz5g306a5DjhBAsBU4CrM8o9yvSptTw
        7kkLQ2f6Wu2WNj1I/cwD6IB8h4h6p2/zZ1i4+wIDAQABAoIBAAIuLyAaI98CLrCO
        tAgVnYPKjGQ5yqfLeMig0/nK3ZWlW0j/fIE7LKCb2CgSHfGqX9zsw6ZAlfXLDTHa
        S68UktCfj3uoe2s0Z6kOj/KF2hgkaHlTxtn5q8zqaDkKEys26gID5emE/r/BaZyn
        shbh4c6hKjAPOJX5efDtPbSDgr8I9Hz1rpX15MFJziRAJ/MO22koqiA+Insa3gfW
        NmhvXCHBC2mtrsq73qO4gng8LOJsLC253gA1wFYiGyw4aKAeNLCnlyk8rmlO4m/d
        az8fXqVUm3bR1lDV/Kg7tojTWpVSkRhzXgZjRvoAMDZJ6XgnlVUnFItsfXg05GPw
        UA4tW+ECgYEA/i9vq1aVCbUS2D9LwfzcsMmlLvE+CAmSyb6HkxHH+yP0vIRgaBcy
        o9sIAoyoxDuWrtIP0uDARpfS2a3TEWEems1UJlgBCPekGunr5Gx6bPIedM6Bv+Ow
        fOp0EWSM9bsF0Vzbeynonfe9dkbNI2HBzWbD7ea9DQ7yB0UBcwTfS1cCgYEAvIuc
        iOqF+IhdWkEyM9mwwK1LH36hIWyD859MLo31yut3pHsrIDdbZkyk++K3CTGxwMa+
        hHUz2W71s00zdFnInUDxMVtH6qKZ+zJPrD/Hs4d4wLsvtqYa4bBHfJ8O9BKVW60m
        tWWuti9OqoCajRWSqj0RjJBRsEXPD8Ycb74oXP0CgYBJwegMdtZOd82dFFjeVIqR
        fiHBil0upeCDTBc5FNrLxDY7EcqLydd29pLPcpNyRbxGxEu1LGR+14VmhusNSvo/
        fz9g1P6P5JQo/yHlKZkozeUKjfXWgbJvvPSrK1s/3uIkS2agyZtnY0EF9iuGjdJX
        0O8ftGm9RU3z0BFIl+xXhwKBgA5eDSWZyW+w5Hw2L58n3YIxMmJKAflMDZoI74M0
        qiA2ZT2RbS3dSge3m3LeSdhXgxYPjwEE9ViCThLFtUAOf20MP9TlAcvtbBJqOQwF
        KDCUCC2XlgEzEyVTi38Bl+Adcmgz/5kfEHsti68OcbiChlSWprmxXagzCZ5IGG6j
        bOv5AoGAEEfMRMv+rjPb2FYjWRfYSZW9cOmmIke/98iszgJpYsktxPs3Ix+to89T
        eUATIs7290Ucb7ieEvWi3SGRgSZqtcL6lIKHoUs/RiB5umE6HFJEhi7m6R6Q/HHS
        HbG9X6Vd4ixEGyBbYnmdrdvY94CcX+2yabJIXXODn4pAxm+NX7M=
        -----END RSA PRIVATE KEY-----

        """

    static let rsaCertificate = """
        -----BEGIN CERTIFICATE-----
        MIIC/zCCAeegAwIBAgIUYcnHQpsKE1uoNYRR2GOlmgVEqLEwDQYJKoZIhvcNAQEL
        BQAwDzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjEyMDMwNDRaFw0yNjEyMjEyMDMw
        NDRaMA8xDTALBgNVBAMMBHRlc3QwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEK
        AoIBAQC7NXUwT7mTUwt558Idt1XOF74HUr3dE0Rkv1ecsA6jBUUmUUms1XX7ffPl
        0KwNSfJ3X6zJXhhrqYK5T5uN/1o511KuCbkG4cFwJrdlZMOKm/ECLxJvlL9sh6TD
        0XdN3bR8WiZyXS5UoRfKizcb/NkmgFyReZii16rUvP1DivrYl/8XWZGxI4CJXVda
        xDIPbhMJmYIgwA20bTZPyx5R00DdEqdwIoaFk1drG9nhTN8YtmGI/EUiXf9/0Nzp
        VBcVj4gqa6kNo9Mjv0FC+OPpvPmDfTprkOOEECwFTgKszyj3K9Km1PDuSQtDZ/pa
        7ZY2PUj9zAPogHyHiHqnb/NnWLj7AgMBAAGjUzBRMB0GA1UdDgQWBBQPGIH5FnO4
        GqOYPzoMu/RJN9oTgDAfBgNVHSMEGDAWgBQPGIH5FnO4GqOYPzoMu/RJN9oTgDAP
        BgNVHRMBAf8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQBzkaoCSFKiRNUgG4yd
        /l9yuVm3NGosKJo6u78+kgXyM0Wl+WGcSkGQwRoOFtFEtxJcIIwn65wB9K4uAy/C
        CxRst9NhE8WOW0nkvP1IoykHXJwiG15EVBz6lOyJh6ZMWrp61YdUJF/UKNdIgSt7
        BOXzur4+PW2Q/upMQQ1SEHl7rHyR5K5peWFNaSCsENAqAEsqasmBjCDnLi2GhDoQ
        iWnJGS1oHuv4ap13qWqNhsjNjFW3N4fLUKBAsx3/L3LBmgFURMuOUN0LGOn9s1aK
        USktaMmF9TfDkghivLUexKBbxILgDzqsApHg+r2hQXsquGY/REe9rmvitZL47nWI
        o6ST
        -----END CERTIFICATE-----

        """

    static let otherRSAPrivate = """
        -----BEGIN PRIVATE KEY-----
        MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQCZXa8HZHufpt2N
        knhrH4aTP1abJKbRa3W3kJtBUXUDkxCq3XHv3HHI1AIYwCdJQnmys4ssg1ZezgyA
        lEoyA7ebkfdZrtKSEcvbw3VFPzXcFJCvHGnh36iIUXDENIPmYEAoGxv3ldd4xy0a
        Uzuu0Zb2TpXln1uq/yW+fSDL47PZmw6jpJkmLUT+egjSvEPjSJEOMdii9O0mw5qb
        KHEoplTdtMIGTcx+1onUgpl/YVA5TLBjYFVcan/ltUMpUHUGllG884pMlVo2vTgG
        1wewJcE24c/tcwAobYR0NSTVeWeL3/vd5olZG1+4oO9F5WALqTWn2aVI+y8v83Y7
        QOkJgiw/AgMBAAECggEABHXOhiIgBu5t5dT0J3ZG3F7azOFBYkbEKUJw9eSBnmVh
        6BjdzgQmmlGjNqOc2cP2pmxo2gfw5kLSICYMU+YlcVSgH8EvUN3aLyvPMx0u/k6U
        zX54jEcMKGpMlWygcgwdU1DSg+VH98KgA6t6kHok8CwQIH1hAHyVqnq1OPb56duG
        h86g9cBYgRkPmG98vxW0zPSrdwCKL+nhqX2N4hJHLsQJOVaOECy/Ol5UDI5ZasJY
        XQ4QQbjzfLNR/Dpsu5Lzo/RftB5NzPpsnSzemn9wBj3t6jWxBp1g5jjthHi5d8mS
        8kc0tPwT6GrEmsNhACN47dr6s6UbfVMfpsplrlA3bQKBgQDKQHz7fHJdEitqk7ig
        SztoLhxpyCOuMS7f4ogsg40ceEkmfUla68rcNqfr+/WTv79w+FbIkjB19njE0rD7
        jZevSL7EVycr6NUf6pa7AlzVwh2nDTpQiLz7/nqd/AGG2OKiO1x+RG4L363ryMNU
        aIwNZqJqDdVKfiIXOmEwRHoFkwKBgQDCH2huul3fTfYhOGJf/kAUwDekZs/cx7XI
        krCaxvgsk/BrEFdYXdv+cd2L/K9iGFLTbvrHLeQ99jtRxMJ92l8v15shkjbUtu1K
        UQR2Gn5iz0O5dsTC9D9NYHpC6ABtGIMwCBO6LoCR249LqjS1u1yXIkSgIYMAX3la
        JlG+1n3qJQKBgHOucQ4y/wLG+rhJ5+cfQMp03WGPzQC8NvBtlK/JSrQHBOgT7xon
        Fe/g/ykWAz/QBALsuE6ed0Nxh2AkloA7W5AxjpOkuc3+rbBEsJQkZM8K6YT8Jueb
        XmTQCHhGhOUJNo/OXjgGkd8OwF7FhRvJdJnRo4H/iYjDHmKkzKQb9qMrAoGAYyv6
        hT8OwAsrJ/OPRm00vaUpiALCRI9+jhZqxNfLZ7K4i2nQxaNFxarUPTT9QIceoUe8
        NE98oC8QRQjZN8R9BosGhNMW0fsWJPZY6iFE2iP6/F/xy4tOX7BfJZkyxolUVBB8
        S4yAQIPDpCszPHiYp9lo58nXDDS6YVTcRDt+HkUCgYAuhjagH+eBZ4gBQV8ajKFD
        Tp61n+lZOxIopbs8EXjSYjqctkp4NDMIms+MyQsSLNdAQbNSuOU6YP8VkDhowztu
        IVkmrmHGsAMvK6rI2N/gUq6dYnMhMrIMto/h7zjMVsQrJSMetuPvedD11xPDi4RI
        rR6+GuRaC3yDShIpU7icgg==
        -----END PRIVATE KEY-----

        """

    static let otherRSAPublic = """
        -----BEGIN PUBLIC KEY-----
        MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAmV2vB2R7n6bdjZJ4ax+G
        kz9WmySm0Wt1t5CbQVF1A5MQqt1x79xxyNQCGMAnSUJ5srOLLINWXs4MgJRKMgO3
        m5H3Wa7SkhHL28N1RT813BSQrxxp4d+oiFFwxDSD5mBAKBsb95XXeMctGlM7rtGW
        9k6V5Z9bqv8lvn0gy+Oz2ZsOo6SZJi1E/noI0rxD40iRDjHYovTtJsOamyhxKKZU
        3bTCBk3MftaJ1IKZf2FQOUywY2BVXGp/5bVDKVB1BpZRvPOKTJVaNr04BtcHsCXB
        NuHP7XMAKG2EdDUk1Xlni9/73eaJWRtfuKDvReVgC6k1p9mlSPsvL/N2O0DpCYIs
        PwIDAQAB
        -----END PUBLIC KEY-----

        """

    static let shortRSAPublic = """
        -----BEGIN PUBLIC KEY-----
        MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDzunTjtYD3kBPRZ7bZdd4LxVHI
        mzTRR05qhbciT4rjIk3gwqKNovw0sOFQgSjgNfNiA0LG4rNlXtli+UMbpCPD+82m
        TSZ+0gbj/5uACMZVQ4WDEOWNRFNr+Txqhaoh9NZLyguvdUoKrL2EoTIOKT28Y+KJ
        wUf0uD7yVDSGM6qsMwIDAQAB
        -----END PUBLIC KEY-----

        """

    static let pssPublic = """
        -----BEGIN PUBLIC KEY-----
        MIIBIDALBgkqhkiG9w0BAQoDggEPADCCAQoCggEBANGKy5RUyjk7zayxtkcYXxOf
        LYBM3R/syRu93A5hPwVZi9guy+H7AGuF+ljDlq2CIiK/lwPlf2oNH/mLx6vL/aD9
        IveHJATeh9LIMiFlySfoDXgHwWme2EQRYWWH7qluDgW5rNCI9uIJDmPp74qrREhS
        nm3UjM6FdRBXv9NLvFxn+ggtegRoh1ttgoO89kc55W9FIpxvHRQ5DylH0xMmKSVS
        3FCRl8QtcqnXELgJA9CgeW1Q/uzGfHkhvkVevBCmQRhDPbhF26BkT6qlwpM7VvIE
        VEW/+OpdFJ4u67w9NB2DvrK5ESRQVw27i+l6jdXAv4W54g2ns24Wcw5nnze54B0C
        AwEAAQ==
        -----END PUBLIC KEY-----

        """

    static let p256Private = """
        -----BEGIN PRIVATE KEY-----
        MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgU3Qb+pZDw9qAhFsg
        fN7y70+AsmpzyA7zisCczWoQYz6hRANCAAS450oo+WiXMZKca46DuvAS0Z5vi+LY
        CILm5prZ79XOPMcQGVqWSmgqAyjT8u051y1+MLfRzNyjl+w0VcGg/aGq
        -----END PRIVATE KEY-----

        """

    static let p256PrivateSEC1 = """
        -----BEGIN EC PRIVATE KEY-----
        MHcCAQEEIFN0G/qWQ8PagIRbIHze8u9PgLJqc8gO84rAnM1qEGM+oAoGCCqGSM49
        AwEHoUQDQgAEuOdKKPlolzGSnGuOg7rwEtGeb4vi2AiC5uaa2e/VzjzHEBlalkpo
        KgMo0/LtOdctfjC30czco5fsNFXBoP2hqg==
        -----END EC PRIVATE KEY-----

        """

    static let p256Public = """
        -----BEGIN PUBLIC KEY-----
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEuOdKKPlolzGSnGuOg7rwEtGeb4vi
        2AiC5uaa2e/VzjzHEBlalkpoKgMo0/LtOdctfjC30czco5fsNFXBoP2hqg==
        -----END PUBLIC KEY-----

        """

    static let p256Certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBdDCCARmgAwIBAgIUO4wzyvZV+whBJbLh5d2VYoAgmw4wCgYIKoZIzj0EAwIw
        DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjEyMDMwNDRaFw0yNjEyMjEyMDMwNDRa
        MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAS450oo
        +WiXMZKca46DuvAS0Z5vi+LYCILm5prZ79XOPMcQGVqWSmgqAyjT8u051y1+MLfR
        zNyjl+w0VcGg/aGqo1MwUTAdBgNVHQ4EFgQUDc35mCoctJc92g3kGUDYu3hdZyMw
        HwYDVR0jBBgwFoAUDc35mCoctJc92g3kGUDYu3hdZyMwDwYDVR0TAQH/BAUwAwEB
        /zAKBggqhkjOPQQDAgNJADBGAiEArKTBcWJaZVnI9EJfPW+5YjKIPlgqZ6gv2qhS
        zcuzw4sCIQChr0k7mFAK4NlByHTC9PXsg5BF67rhHmL0D9BD/rtMQA==
        -----END CERTIFICATE-----

        """

    static let p384Public = """
        -----BEGIN PUBLIC KEY-----
        MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEYk69wrX+B1Fpqrrj6LogSNLFrELmy1FN
        qKqwwRB9Q6BoHfL2iFFy+u1hwe/Q5gWePnl+Qsbw8B80tOFmLXywwDeWcCRvFuYs
        EAbKvnfvB4+391Z7O4ikAdrvLWJyvWZX
        -----END PUBLIC KEY-----

        """

    static let ed25519Private = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIKMHlYAwe+3d8HKS66msD2YEkjuZ+guVgF+QT9Wmp3es
        -----END PRIVATE KEY-----

        """

    static let ed25519Public = """
        -----BEGIN PUBLIC KEY-----
        MCowBQYDK2VwAyEARS4bL1DsBSd4SGe7eEOev81W077JpWrJVlyk1jWYHHM=
        -----END PUBLIC KEY-----

        """

    static let ed25519Certificate = """
        -----BEGIN CERTIFICATE-----
        MIIBMjCB5aADAgECAhQlwNdLNrzMoJhn50y2vsrpvETkUTAFBgMrZXAwDzENMAsG
        A1UEAwwEdGVzdDAeFw0yNjExMjEyMDMwNDRaFw0yNjEyMjEyMDMwNDRaMA8xDTAL
        BgNVBAMMBHRlc3QwKjAFBgMrZXADIQBFLhsvUOwFJ3hIZ7t4Q56/zVbTvsmlaslW
        XKTWNZgcc6NTMFEwHQYDVR0OBBYEFDZfmuPuhVBh9BgDjxECYdOlSP0pMB8GA1Ud
        IwQYMBaAFDZfmuPuhVBh9BgDjxECYdOlSP0pMA8GA1UdEwEB/wQFMAMBAf8wBQYD
        K2VwA0EA0rsgpbUZsDcKVAKbMm4bHE4qWBetsyftFIphpl4qy3+PMPcO5gogpLtY
        3IL3BawSzxvdxJ4ceVDZ6eOhwm3MAg==
        -----END CERTIFICATE-----

        """
}
